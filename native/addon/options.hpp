#pragma once

#include <napi.h>

#include "core/engine.hpp"

namespace sluice::addon {

// Reads what src/engine/native.ts declares as EngineOptions. Values were checked there; a missing one keeps its default.
core::EngineOptions read_options(const Napi::Object& object);

}  // namespace sluice::addon
