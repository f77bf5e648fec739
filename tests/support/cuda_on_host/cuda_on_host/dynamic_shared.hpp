// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

// `extern __shared__ unsigned char name[];` declares a thread's own array, which somebody must
// define: one source file of the program, in the namespace that the kernel is in, says
//   CUDA_ON_HOST_DYNAMIC_SHARED(name);
// Each block finds it full of 0xFF; a write right behind the bytes of the launch is reported. The
// initializer isn't a constant, as g++ 12 calls a function that constants don't have, where a block
// of a function declares the array.

#define CUDA_ON_HOST_DYNAMIC_SHARED(name)                                                \
  alignas(1024) thread_local unsigned char name[cuda_on_host::dynamic_shared::bytes] = { \
      cuda_on_host::dynamic_shared::zero()};                                             \
  [[maybe_unused]] static bool const name##_is_known =                                   \
      cuda_on_host::dynamic_shared::add(+[]() -> unsigned char* { return name; })

namespace cuda_on_host {

class dynamic_shared {
 public:
  static constexpr std::size_t bytes = 232448;
  using array = unsigned char* (*)();

  static bool add(array a) {
    int const at = count().fetch_add(1);
    if (at >= most) {
      std::fputs("cuda_on_host: too many arrays of dynamic shared memory\n", stderr);
      std::abort();
    }
    arrays()[static_cast<std::size_t>(at)] = a;
    return true;
  }

  static unsigned char zero() {
    static unsigned char const volatile z = 0;
    return z;
  }

  static void start_block(std::size_t used) {
    for_each([used](unsigned char* p) {
      own(p, bytes);
      std::memset(p, 0xFF, used);
      std::memset(p + used, guard, guarded(used));
#ifdef __SANITIZE_ADDRESS__
      __asan_poison_memory_region(p + used, bytes - used);
#endif
    });
  }

  /// Whether nothing was written right behind what the launch asked for: for builds without
  /// AddressSanitizer, and what that doesn't check, as places that g++ knows to be in the array.
  static bool end_block(std::size_t used) {
    bool intact = true;
    for_each([&](unsigned char* p) {
      own(p + used, guarded(used));
      for (std::size_t i = 0; i < guarded(used); ++i) intact = intact && p[used + i] == guard;
    });
    return intact;
  }

  static void end_grid() {
    for_each([](unsigned char* p) { own(p, bytes); });
  }

 private:
  static constexpr int most = 64;
  static constexpr unsigned char guard = 0xA5;
  static constexpr std::size_t guarded(std::size_t used) {
    return bytes - used < 256 ? bytes - used : 256;
  }
  static void own([[maybe_unused]] unsigned char* p, [[maybe_unused]] std::size_t n) {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(p, n);
#endif
  }
  template <class Do>
  static void for_each(Do const& with) {
    int const n = count().load(std::memory_order_relaxed);
    for (int i = 0; i < n; ++i) with(arrays()[static_cast<std::size_t>(i)]());
  }
  static std::atomic<int>& count() {
    static constinit std::atomic<int> n{0};
    return n;
  }
  static std::array<array, most>& arrays() {
    static constinit std::array<array, most> all{};
    return all;
  }
};

}  // namespace cuda_on_host
