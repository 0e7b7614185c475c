#pragma once

#include <napi.h>

namespace sluice::addon {

// attachRegion(name: string): ArrayBuffer — a read-only view of another process's region. Writing to it crashes the process.
Napi::Value attach_region(const Napi::CallbackInfo& info);
// describeLayout(): Record<string, Record<string, number>>
Napi::Value describe_layout(const Napi::CallbackInfo& info);
// probe(): what this machine offers
Napi::Value probe(const Napi::CallbackInfo& info);

}  // namespace sluice::addon
