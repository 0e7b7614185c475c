#include "core/parts.hpp"

namespace sluice::core {

Parts::Parts(queue::Region& shared, uint32_t index, const CoreOptions& limits, Outbox::Listener& listener)
    : region(shared), core(index), options(limits), counters(shared.data(queue::kSectionCounters, index)),
      rows(shared.header().connections_per_core), table(&rows[0], rows.size()),
      blocks(shared.data(queue::kSectionReceive, index), shared.section(queue::kSectionReceive, index).element_size,
             shared.section(queue::kSectionReceive, index).element_count),
      assembly(shared.data(queue::kSectionAssembly, index), shared.section(queue::kSectionAssembly, index).element_count),
      events(shared, index, blocks, assembly, counters), outbox(table, listener, {limits.send_budget, limits.send_queues_max}) {}

}  // namespace sluice::core
