#pragma once

#include <memory>

#include "wiregen/phase.hpp"

namespace sluice::wiregen {

// open rate=R [inflight=K] [count=N]: opens clients until N are ready.
std::unique_ptr<Phase> make_open(Statement& line, const Settings& settings);
// hold for=S: answers pings and heartbeats.
std::unique_ptr<Phase> make_hold(Statement& line, const Settings& settings);
// echo size=B [rate=R | depth=D] for=S [warmup=S] [senders=N] [text=yes]
std::unique_ptr<Phase> make_echo(Statement& line, const Settings& settings);
// publish size=B rate=R for=S [senders=N] [burst=M] [crowd=yes]
std::unique_ptr<Phase> make_publish(Statement& line, const Settings& settings);
// churn [rate=R | inflight=K] for=S: opens, closes, opens again.
std::unique_ptr<Phase> make_churn(Statement& line, const Settings& settings);
// storm share=10% [rate=R] [by=rst|fin] [resume=yes]: drops clients all at once; they come back.
std::unique_ptr<Phase> make_storm(Statement& line, const Settings& settings);
// close [rate=R]: close frames, then FIN.
std::unique_ptr<Phase> make_close(Statement& line, const Settings& settings);
// slow count=N [window=B] [every=S]: these read B bytes every so often from now on; every=0: never.
std::unique_ptr<Phase> make_slow(Statement& line, const Settings& settings);
// drain for=S: waits until the server has closed every connection, with 1001 or 1012.
std::unique_ptr<Phase> make_drain(Statement& line, const Settings& settings);

}  // namespace sluice::wiregen
