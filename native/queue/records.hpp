#pragma once

#include <cstdint>

// What travels in the rings: records of eight 32-bit words. An address is an offset into the region.

namespace sluice::queue {

struct Record {
  uint8_t type;
  uint8_t flags;
  uint16_t code;
  uint32_t slot;
  uint32_t generation;
  uint32_t address;
  uint32_t length;
  uint32_t a;
  uint32_t b;
  uint32_t c;
};
static_assert(sizeof(Record) == 32);

enum EventType : uint8_t {
  kEventOpen = 1,      // address, length: request head; followed by kEventOpenPeer
  kEventOpenPeer = 2,  // address..b: 16 bytes of IP; c: port; code: family 4 or 6
  kEventMessage = 3,   // address, length: payload; a: offset of the first newline, or length; flags: kFlagText
  kEventClose = 4,     // code; address, length: reason
  kEventWritable = 5,
  kEventLagging = 6,   // a: channel; b, c: the first sequence number that was not delivered (low, high)
  kEventNotice = 7,    // code: NoticeCode; a: value
};

enum CommandType : uint8_t {
  kCommandSend = 1,        // address, length: payload; flags: kFlagText
  kCommandSendFramed = 2,  // address, length: whole WebSocket frames; a: channel that the row is caught up in by them, or 0;
                           // b: low word of the sequence number behind them
  kCommandClose = 3,       // code; address, length: reason
  kCommandRelease = 4,
  kCommandAdmit = 5,
  kCommandNotifyWritable = 6,
  kCommandPause = 7,
  kCommandResume = 8,
  kCommandSubscribe = 9,    // a: channel; b, c: last sequence number that was published before (low, high)
  kCommandUnsubscribe = 10, // a: channel
  kCommandPublish = 11,     // a: channel; address, length: whole WebSocket frames; b, c: sequence number (low, high)
  kCommandHealth = 12,      // code: 0 serving, 1 draining; a: Retry-After in seconds
  kCommandStopListening = 13,
  kCommandConfirm = 14,     // a: position of an event; b: how many from there on are done with
  kCommandBehind = 15,      // a: channel; b, c: sequence number from which the row still has to get it (low, high)
  kCommandNote = 16,        // address, length: what a successor has to know of the row
  kCommandChannelNote = 17, // a: channel; address, length: what a successor has to know of it; length 0: nothing
  kCommandMark = 18,        // a: channel; b, c: what a successor has to know of the row's subscription; both 0: nothing
  kCommandAnswering = 19,   // code 1: answers to the row are on their way, 0: none are; its ending waits for them
  kCommandLeave = 20,       // as kCommandClose, once what the row has said is answered
  kCommandWelcome = 21,     // address, length: whole WebSocket frames, code of them, that the row is admitted with;
                            // flags: kFlagChannel, then a: channel that it subscribes to; b: as of kCommandSubscribe, its low word
};

enum RecordFlag : uint8_t {
  kFlagText = 1,
  kFlagData = 2,  // a command whose bytes lie in the command data ring; its consumption frees the ring up to `c`
  kFlagChannel = 4,
};

enum NoticeCode : uint16_t {
  kNoticeFileLimit = 1,
  kNoticeFileLimitOver = 2,
  kNoticeReceiveExhausted = 3,
  kNoticeListenError = 4,
  kNoticeAssemblyExhausted = 5,
  kNoticeTableFull = 6,
};

}  // namespace sluice::queue
