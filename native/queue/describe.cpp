#include "queue/describe.hpp"

#include "queue/layout.hpp"

namespace sluice::queue {

namespace {

void describe_header(std::vector<LayoutConstant>& out) {
  out.insert(out.end(), {
      {"LAYOUT", "VERSION", kLayoutVersion},
      {"LAYOUT", "HASH", layout_hash()},
      {"LAYOUT", "MAX_CORES", kMaxCores},
      {"LAYOUT", "MAX_SECTIONS", kMaxSections},
      {"HEADER", "SIZE", offsetof(RegionHeader, size)},
      {"HEADER", "CORES", offsetof(RegionHeader, cores)},
      {"HEADER", "CONNECTIONS_PER_CORE", offsetof(RegionHeader, connections_per_core)},
      {"HEADER", "SECTION_COUNT", offsetof(RegionHeader, section_count)},
      {"HEADER", "ENGINE_PID", offsetof(RegionHeader, engine_pid)},
      {"HEADER", "ENGINE_STARTED_MS", offsetof(RegionHeader, engine_started_ms)},
      {"HEADER", "OWNER_EPOCH", offsetof(RegionHeader, owner_epoch)},
      {"HEADER", "OWNER_PID", offsetof(RegionHeader, owner_pid)},
      {"HEADER", "NAME", offsetof(RegionHeader, name)},
      {"HEADER", "NAME_BYTES", sizeof RegionHeader::name},
      {"HEADER", "DRIVER", offsetof(RegionHeader, driver)},
      {"HEADER", "DRIVER_BYTES", sizeof RegionHeader::driver},
      {"HEADER", "DRIVER_REASON", offsetof(RegionHeader, driver_reason)},
      {"HEADER", "DRIVER_REASON_BYTES", sizeof RegionHeader::driver_reason},
      {"HEADER", "LISTEN_ADDRESS", offsetof(RegionHeader, listen_address)},
      {"HEADER", "LISTEN_ADDRESS_BYTES", sizeof RegionHeader::listen_address},
      {"HEADER", "LISTEN_PORT", offsetof(RegionHeader, listen_port)},
      {"HEADER", "DETACHED", offsetof(RegionHeader, detached)},
      {"HEADER", "MAX_MESSAGE", offsetof(RegionHeader, max_message)},
      {"HEADER", "SEND_BUDGET", offsetof(RegionHeader, send_budget)},
      {"HEADER", "HEARTBEAT_MS", offsetof(RegionHeader, heartbeat_ms)},
      {"HEADER", "SECTIONS", offsetof(RegionHeader, sections)},
      {"SECTION", "BYTES", sizeof(Section)},
      {"SECTION", "KIND", offsetof(Section, kind)},
      {"SECTION", "CORE", offsetof(Section, core)},
      {"SECTION", "OFFSET", offsetof(Section, offset)},
      {"SECTION", "SIZE", offsetof(Section, size)},
      {"SECTION", "ELEMENT_SIZE", offsetof(Section, element_size)},
      {"SECTION", "ELEMENT_COUNT", offsetof(Section, element_count)},
      {"SECTION_KIND", "COUNTERS", kSectionCounters},
      {"SECTION_KIND", "EVENT_RING", kSectionEventRing},
      {"SECTION_KIND", "COMMAND_RING", kSectionCommandRing},
      {"SECTION_KIND", "COMMAND_DATA", kSectionCommandData},
      {"SECTION_KIND", "RECEIVE", kSectionReceive},
      {"SECTION_KIND", "ASSEMBLY", kSectionAssembly},
      {"SECTION_KIND", "ARENA", kSectionArena},
      {"SECTION_KIND", "INSPECT", kSectionInspect},
  });
}

void describe_inspection(std::vector<LayoutConstant>& out) {
  out.insert(out.end(), {
      {"INSPECT", "ASKER", offsetof(InspectMailbox, asker)},
      {"INSPECT", "REQUEST", offsetof(InspectMailbox, request)},
      {"INSPECT", "ANSWER", offsetof(InspectMailbox, answer)},
      {"INSPECT", "FROM", offsetof(InspectMailbox, from)},
      {"INSPECT", "NEXT", offsetof(InspectMailbox, next)},
      {"INSPECT", "COUNT", offsetof(InspectMailbox, count)},
      {"INSPECT", "FAMILY", offsetof(InspectMailbox, family)},
      {"INSPECT", "PORT", offsetof(InspectMailbox, port)},
      {"INSPECT", "IP", offsetof(InspectMailbox, ip)},
      {"INSPECT", "RECORDS", offsetof(InspectMailbox, records)},
      {"INSPECT", "RECORD_BYTES", sizeof(InspectRecord)},
      {"INSPECT", "MAX_RECORDS", InspectMailbox::kRecords},
      {"INSPECTED", "SLOT", offsetof(InspectRecord, slot)},
      {"INSPECTED", "GENERATION", offsetof(InspectRecord, generation)},
      {"INSPECTED", "STATE", offsetof(InspectRecord, state)},
      {"INSPECTED", "AGE_MS", offsetof(InspectRecord, age_ms)},
      {"INSPECTED", "QUEUED", offsetof(InspectRecord, queued)},
      {"INSPECTED", "SUBSCRIPTIONS", offsetof(InspectRecord, subscriptions)},
      {"INSPECTED", "PAUSED", offsetof(InspectRecord, paused)},
      {"INSPECTED", "STREAM", offsetof(InspectRecord, stream)},
      {"STREAM", "LOCAL_IP", offsetof(StreamInfo, local_ip)},
      {"STREAM", "REMOTE_IP", offsetof(StreamInfo, remote_ip)},
      {"STREAM", "LOCAL_PORT", offsetof(StreamInfo, local_port)},
      {"STREAM", "REMOTE_PORT", offsetof(StreamInfo, remote_port)},
      {"STREAM", "FAMILY", offsetof(StreamInfo, family)},
      {"STREAM", "STATE", offsetof(StreamInfo, state)},
      {"STREAM", "PHASE", offsetof(StreamInfo, phase)},
      {"STREAM", "FLAGS", offsetof(StreamInfo, flags)},
      {"STREAM", "SEND_SHIFT", offsetof(StreamInfo, send_shift)},
      {"STREAM", "RECEIVE_SHIFT", offsetof(StreamInfo, receive_shift)},
      {"STREAM", "BACKOFF", offsetof(StreamInfo, backoff)},
      // From here on 32-bit words, in the order of the struct.
      {"STREAM", "MSS", offsetof(StreamInfo, mss)},
  });
}

void describe_rings(std::vector<LayoutConstant>& out) {
  out.insert(out.end(), {
      {"RING", "HEAD", offsetof(RingHeader, head)},
      {"RING", "TAIL", offsetof(RingHeader, tail)},
      {"RING", "DATA_TAIL", offsetof(RingHeader, data_tail)},
      {"RING", "CONSUMER_SLEEPING", offsetof(RingHeader, consumer_sleeping)},
      {"RING", "PRODUCER_BLOCKED", offsetof(RingHeader, producer_blocked)},
      {"RING", "RECORDS", sizeof(RingHeader)},
      {"RING", "RECORD_BYTES", sizeof(Record)},
      {"EVENT", "OPEN", kEventOpen},
      {"EVENT", "OPEN_PEER", kEventOpenPeer},
      {"EVENT", "MESSAGE", kEventMessage},
      {"EVENT", "CLOSE", kEventClose},
      {"EVENT", "WRITABLE", kEventWritable},
      {"EVENT", "LAGGING", kEventLagging},
      {"EVENT", "NOTICE", kEventNotice},
      {"COMMAND", "SEND", kCommandSend},
      {"COMMAND", "SEND_FRAMED", kCommandSendFramed},
      {"COMMAND", "CLOSE", kCommandClose},
      {"COMMAND", "RELEASE", kCommandRelease},
      {"COMMAND", "ADMIT", kCommandAdmit},
      {"COMMAND", "NOTIFY_WRITABLE", kCommandNotifyWritable},
      {"COMMAND", "PAUSE", kCommandPause},
      {"COMMAND", "RESUME", kCommandResume},
      {"COMMAND", "SUBSCRIBE", kCommandSubscribe},
      {"COMMAND", "UNSUBSCRIBE", kCommandUnsubscribe},
      {"COMMAND", "PUBLISH", kCommandPublish},
      {"COMMAND", "HEALTH", kCommandHealth},
      {"COMMAND", "STOP_LISTENING", kCommandStopListening},
      {"COMMAND", "CONFIRM", kCommandConfirm},
      {"COMMAND", "BEHIND", kCommandBehind},
      {"COMMAND", "NOTE", kCommandNote},
      {"COMMAND", "CHANNEL_NOTE", kCommandChannelNote},
      {"COMMAND", "MARK", kCommandMark},
      {"COMMAND", "ANSWERING", kCommandAnswering},
      {"COMMAND", "LEAVE", kCommandLeave},
      {"COMMAND", "WELCOME", kCommandWelcome},
      {"FLAG", "TEXT", kFlagText},
      {"FLAG", "DATA", kFlagData},
      {"FLAG", "CHANNEL", kFlagChannel},
      {"NOTICE", "FILE_LIMIT", kNoticeFileLimit},
      {"NOTICE", "FILE_LIMIT_OVER", kNoticeFileLimitOver},
      {"NOTICE", "RECEIVE_EXHAUSTED", kNoticeReceiveExhausted},
      {"NOTICE", "LISTEN_ERROR", kNoticeListenError},
      {"NOTICE", "ASSEMBLY_EXHAUSTED", kNoticeAssemblyExhausted},
      {"NOTICE", "TABLE_FULL", kNoticeTableFull},
  });
}

}  // namespace

std::vector<LayoutConstant> describe_layout() {
  std::vector<LayoutConstant> out;
  describe_header(out);
  describe_inspection(out);
  describe_rings(out);
#define SLUICE_COUNTER_DESCRIBE(name) out.push_back({"COUNTERS", #name, static_cast<uint64_t>(Counter::name)});
  SLUICE_COUNTERS(SLUICE_COUNTER_DESCRIBE)
#undef SLUICE_COUNTER_DESCRIBE
  return out;
}

}  // namespace sluice::queue
