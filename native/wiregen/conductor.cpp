#include "wiregen/conductor.hpp"

#include <utility>

namespace sluice::wiregen {

namespace {

std::string add_part(Statement& line, Scenario& out, std::vector<Flood>& floods) {
  if (line.beside()) {
    if (line.verb() != "flood") return "line " + std::to_string(line.line()) + ": only a flood can run beside a phase";
    floods.emplace_back(line);
    return line.mistake();
  }
  std::unique_ptr<Phase> phase = make_phase(line, out.settings);
  if (phase == nullptr) {
    return "line " + std::to_string(line.line()) + ": no '" + line.verb() +
           "': settings are server, clients, channels, tcp; phases are open, hold, echo, publish, churn, storm, slow, close, drain";
  }
  out.parts.push_back({line.verb(), std::move(phase), std::move(floods)});
  floods.clear();
  return line.mistake();
}

}  // namespace

std::string read_scenario(std::string_view text, Scenario& out) {
  std::vector<Statement> lines;
  std::string mistake = parse_script(text, lines);
  if (!mistake.empty()) return mistake;
  size_t first = 0;
  for (; first < lines.size() && read_setting(lines[first], out.settings); ++first) {
    mistake = lines[first].mistake();
    if (!mistake.empty()) return mistake;
  }
  mistake = check_settings(out.settings);
  if (!mistake.empty()) return mistake;
  std::vector<Flood> floods;
  for (size_t i = first; i < lines.size(); ++i) {
    mistake = add_part(lines[i], out, floods);
    if (!mistake.empty()) return mistake;
  }
  if (!floods.empty()) return "a flood runs beside the phase behind it, and there is none";
  return out.parts.empty() ? "the scenario has no phase" : "";
}

Conductor::Conductor(Scenario& scenario, Stage& stage) : scenario_(scenario), stage_(stage) { stage.session.user(this); }

void Conductor::start() {
  for (Scenario::Part& part : scenario_.parts) part.phase->prepare(stage_);
  begin_phase();
}

void Conductor::begin_phase() {
  begun_ns_ = stage_.now();
  cpu_ = load::sample_cpu(stage_.server_pids, begun_ns_);
  tcp_before_ = stage_.tcp.counters();
  phase().begin(stage_);
  for (Flood& flood : scenario_.parts[current_].floods) flood.begin(stage_);
}

void Conductor::end_phase() {
  load::JsonObject out;
  out.string("phase", scenario_.parts[current_].name);
  out.number("seconds", static_cast<double>(stage_.now() - begun_ns_) / 1e9);
  out.number("ready", stage_.session.ready());
  // Of the whole phase; what is measured within a window has its own.
  const load::CpuSample now = load::sample_cpu(stage_.server_pids, stage_.now());
  if (cpu_.server_known && now.server_known) out.number("server_cpu_s", now.server_precise_s - cpu_.server_precise_s);
  out.number("client_cpu_s", now.client_s - cpu_.client_s);
  const Tcp::Counters& tcp = stage_.tcp.counters();
  out.number("retransmits", tcp.retransmits - tcp_before_.retransmits);
  out.number("duplicates", tcp.duplicates - tcp_before_.duplicates);
  out.number("resets_out", tcp.resets_out - tcp_before_.resets_out);
  phase().report(stage_, out);
  for (const Flood& flood : scenario_.parts[current_].floods) out.number("flood_" + flood.kind(), flood.sent());
  results_.push_back(out.text());
}

bool Conductor::turn() {
  if (over_ || failed()) return true;
  for (Flood& flood : scenario_.parts[current_].floods) flood.turn(stage_);
  if (!phase().turn(stage_)) return failed();
  end_phase();
  if (current_ + 1 == scenario_.parts.size()) return over_ = true;
  ++current_;
  begin_phase();
  return failed();
}

std::vector<std::string> Conductor::take_results() { return std::exchange(results_, {}); }

void Conductor::on_ready(ClientId id, bool resumed) { phase().on_ready(stage_, id, resumed); }
void Conductor::on_message(ClientId id, const Assembler::Frame& message) { phase().on_message(stage_, id, message); }
void Conductor::on_gone(ClientId id) { phase().on_gone(stage_, id); }

void Conductor::on_lost(ClientId id, const Loss& loss) {
  ++lost_;
  phase().on_lost(stage_, id, loss);
}

void Conductor::on_slow_tick(ClientId id) {
  stage_.tcp.open_read_window(id, stage_.slow_window);
  if (stage_.slow_every_ms > 0) stage_.tcp.slow_tick_in(id, stage_.slow_every_ms);
}

}  // namespace sluice::wiregen
