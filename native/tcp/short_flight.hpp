#pragma once

#include "base/stream.hpp"
#include "tcp/stack.hpp"

// A flight that is most often over before anything else happens to its connection: what a fan-out sent to it, or a short answer, and no
// more. All that is kept of it are records of its segments (sent_records.hpp), to which the row leads where its transfer would be; there is
// no timer. Whatever else comes, from the peer or the application, and two milliseconds that pass make a usual flight of it first, with a
// transfer.

namespace sluice::tcp {

// The bytes of a fan-out on a connection that has nothing else to send or in flight. All of them leave, or none: false, with nothing done.
bool send_short_flight(Stack& stack, Tcb& row, const IoSlice& slice);
// The same for SentRecords::kOwnMost bytes at most, the head's included, which nobody else is sent: an answer, which is one segment.
bool send_short_answer(Stack& stack, Tcb& row, AnswerHead head, const uint8_t* data, uint32_t length);
// Makes a usual flight of it, if it is one. A transfer is set aside for each.
void settle_flight(Stack& stack, Tcb& row) noexcept;
// The row is given up, or all was acknowledged: nothing is in flight.
void end_short_flight(Stack& stack, Tcb& row) noexcept;
// What has been out for long enough that it needs a timer.
void run_short_flights(Stack& stack) noexcept;

}  // namespace sluice::tcp
