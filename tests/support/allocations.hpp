// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace llep::testing {

/// Every allocation of the process, of whatever thread, while `watching` is on. What counts them
/// stands in allocations.cpp: a program has one operator new.
extern std::atomic<bool> watching;
extern std::atomic<std::int64_t> allocations;

}  // namespace llep::testing
