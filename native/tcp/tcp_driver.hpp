#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/siphash.hpp"
#include "base/stream.hpp"
#include "net/ip_layer.hpp"
#include "tcp/counters.hpp"
#include "tcp/options.hpp"
#include "tcp/reactor.hpp"

namespace sluice::tcp {

// RFC 9293 §3.3.2. Half-open connections and those in TIME-WAIT are records of tables of their own.
enum class State : uint8_t {
  kClosed = 0,
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait1,
  kFinWait2,
  kCloseWait,
  kClosing,
  kLastAck,
};

// What netstat would say of one connection.
struct ConnectionInfo {
  net::Flow flow;
  State state;
  uint32_t mss;               // payload bytes of a full segment
  uint32_t cwnd;
  uint32_t ssthresh;
  uint32_t srtt_us;
  uint32_t rto_ms;
  uint32_t send_window;
  uint32_t receive_window;
  uint32_t in_flight;
  uint32_t send_queue;        // accepted and not acknowledged
  uint32_t receive_queue;     // in order and not delivered
  uint32_t out_of_order;
};

// Told of connections that this side opened.
class ConnectSink {
 public:
  virtual ~ConnectSink() = default;
  // The handshake of an active open is over; from now on it is a stream like any other. Failure is on_error() of the StreamSink.
  virtual void on_connect(StreamId id) = 0;
};

// What a driver is built from; all of it outlives the driver.
struct TcpEnvironment {
  net::IpLayer* ip = nullptr;
  Reactor* reactor = nullptr;
  BlockPool* blocks = nullptr;       // for received bytes
  StreamSink* sink = nullptr;
  ConnectSink* connect_sink = nullptr;  // null: no active opens
  // From a good source of randomness; the same at every start only in simulation. From it come initial sequence numbers, cookies,
  // timestamps' offsets, the tables' hash and the ports of active opens.
  SipKey secret;
};

// Streams over our own TCP. As a SegmentHandler it takes what the IP layer brings, from within Reactor::receive(); as a
// StreamDriver it serves the core.
//
// poll(): reads the time, runs timers, has the reactor receive up to `budget` frames, and delivers. Where nothing came and there is
// time to wait it has the reactor wait, at most until the next timer, and looks once more. Acknowledgements that no data carried
// leave with flush(), at the latest at the start of the next poll().
// write() copies the bytes once into packets, which are kept until they are acknowledged, and completes at once. Bytes that share() was
// told of are copied once for all streams.
class TcpDriver : public StreamDriver, public net::SegmentHandler {
 public:
  // Null with the reason in `error`.
  static std::unique_ptr<TcpDriver> make(const TcpOptions& options, const TcpEnvironment& environment, std::string& error);

  // Opens a connection under an id that the caller chose. local_port 0: one is chosen. False, with nothing left behind, where it
  // cannot even be tried.
  virtual bool connect(StreamId id, const net::Flow& flow, std::string& error) = 0;

  // When poll() has something to do at the latest, in the reactor's time; UINT64_MAX: not until a frame comes.
  virtual uint64_t next_deadline_us() const noexcept = 0;

  virtual const TcpCounters& tcp_counters() const noexcept = 0;
  virtual TcpGauges gauges() const noexcept = 0;
  // False when the stream is gone.
  virtual bool describe(StreamId id, ConnectionInfo& out) const = 0;

  // Walks every table and asserts what must hold between turns: for tests, simulation and fuzzing.
  virtual void audit() const = 0;
};

}  // namespace sluice::tcp
