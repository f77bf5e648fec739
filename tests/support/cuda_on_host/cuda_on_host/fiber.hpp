// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#if !defined(__x86_64__) && !defined(CUDA_ON_HOST_UCONTEXT)
#define CUDA_ON_HOST_UCONTEXT
#endif
#ifdef CUDA_ON_HOST_UCONTEXT
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

// A function on a stack of its own, that the thread which owns it enters, and that leaves for it.

namespace cuda_on_host {

#ifdef CUDA_ON_HOST_UCONTEXT

struct stack_switch {  // costs a system call for the signal mask each time
  ucontext_t inside, outside;

  void prepare(void* stack, std::size_t bytes, void (*entry)(void*), void* arg) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = bytes;
    inside.uc_link = nullptr;
    auto const e = reinterpret_cast<std::uintptr_t>(entry);
    auto const a = reinterpret_cast<std::uintptr_t>(arg);
    makecontext(&inside, reinterpret_cast<void (*)()>(&start), 4, static_cast<unsigned>(e >> 32U),
                static_cast<unsigned>(e), static_cast<unsigned>(a >> 32U),
                static_cast<unsigned>(a));
  }
  void enter() { swapcontext(&outside, &inside); }
  void leave() { swapcontext(&inside, &outside); }

 private:
  static void start(unsigned e1, unsigned e0, unsigned a1, unsigned a0) {  // it takes only ints
    auto const join = [](unsigned hi, unsigned lo) {
      return (static_cast<std::uintptr_t>(hi) << 32U) | lo;
    };
    reinterpret_cast<void (*)(void*)>(join(e1, e0))(reinterpret_cast<void*>(join(a1, a0)));
  }
};

#else

// noipa: else g++ believes that what the asm doesn't name isn't touched.
#ifdef __clang__
#define CUDA_ON_HOST_NAKED __attribute__((naked, noinline))
#else
#define CUDA_ON_HOST_NAKED __attribute__((naked, noipa))
#endif

// Saves what a function must keep, by the System V ABI, on the stack left.
CUDA_ON_HOST_NAKED inline void switch_stack(void** /*save*/, void* /*load*/) {
  asm volatile(
      "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15;"
      "movq %rsp, (%rdi); movq %rsi, %rsp;"
      "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}

CUDA_ON_HOST_NAKED inline void start_on_stack() {
  asm volatile("movq %r12, %rdi; call *%r13; ud2");
}

struct stack_switch {
  void* inside = nullptr;
  void* outside = nullptr;

  void prepare(void* stack, std::size_t bytes, void (*entry)(void*), void* arg) {
    auto** top = reinterpret_cast<void**>(static_cast<char*>(stack) + bytes) - 4;  // 16-aligned
    *--top = reinterpret_cast<void*>(&start_on_stack);
    void* const registers[] = {nullptr, nullptr, arg, reinterpret_cast<void*>(entry),
                               nullptr, nullptr};  // rbp, rbx, r12, r13, r14, r15
    for (void* value : registers) *--top = value;
    inside = top;
  }
  void enter() { switch_stack(&outside, inside); }
  void leave() { switch_stack(&inside, outside); }
};

#endif

class fiber {
 public:
  static constexpr std::size_t stack_bytes =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
      std::size_t{256} << 10U;
#else
      std::size_t{128} << 10U;
#endif

  /// entry never returns.
  fiber(void* stack, std::size_t bytes, void (*entry)(void*), void* arg)
      : stack_(static_cast<unsigned char*>(stack)), bytes_(bytes), entry_(entry), arg_(arg) {
#ifdef __SANITIZE_THREAD__
    tsan_ = __tsan_create_fiber(0);
#endif
    restart();
  }
  fiber(fiber const&) = delete;
  fiber& operator=(fiber const&) = delete;
  ~fiber() {
    forget_stack();
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(tsan_);
#endif
  }

  /// Gives up what is on the stack.
  void restart() {
    forget_stack();
    *reinterpret_cast<std::uint64_t*>(stack_) = canary;
    switch_.prepare(stack_, bytes_, &start, this);
  }

  void enter() {
#ifdef __SANITIZE_ADDRESS__
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, stack_, bytes_);
#endif
#ifdef __SANITIZE_THREAD__
    outside_tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_, 0);
#endif
    switch_.enter();
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    if (*reinterpret_cast<std::uint64_t const*>(stack_) == canary) return;
    std::fputs("cuda_on_host: a thread of a kernel needs more stack than there is\n", stderr);
    std::abort();
  }

  void leave() {
#ifdef __SANITIZE_ADDRESS__
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, outside_stack_, outside_bytes_);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(outside_tsan_, 0);
#endif
    switch_.leave();
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, &outside_stack_, &outside_bytes_);
#endif
  }

 private:
  static constexpr std::uint64_t canary = 0x5AFE57ACB0770377U;

  static void start(void* self) {
    auto& f = *static_cast<fiber*>(self);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &f.outside_stack_, &f.outside_bytes_);
#endif
    f.entry_(f.arg_);
  }
  void forget_stack() const {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(stack_, bytes_);
#endif
  }

  unsigned char* stack_;
  std::size_t bytes_;
  void (*entry_)(void*);
  void* arg_;
  stack_switch switch_{};
#ifdef __SANITIZE_ADDRESS__
  void const* outside_stack_ = nullptr;
  std::size_t outside_bytes_ = 0;
#endif
#ifdef __SANITIZE_THREAD__
  void* tsan_ = nullptr;
  void* outside_tsan_ = nullptr;
#endif
};

/// Stacks in slabs, as a mapping each would come near to the number a process may have.
class stack_pool {
 public:
  stack_pool() = default;
  stack_pool(stack_pool const&) = delete;
  stack_pool& operator=(stack_pool const&) = delete;
  ~stack_pool() {
    for (void* slab : slabs_) munmap(slab, slab_bytes);
  }

  struct stack {
    void* begin;
    std::size_t bytes;
  };

  /// Ends at different places in a page, else all that is used would fall in few sets of a cache.
  stack take() {
    if (used_ == per_slab * slabs_.size()) {
      void* const slab = mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (slab == MAP_FAILED) {
        std::perror("cuda_on_host: mmap of stacks");
        std::abort();
      }
      slabs_.push_back(slab);
    }
    std::size_t const i = used_++;
    return {static_cast<char*>(slabs_.back()) + (i % per_slab) * fiber::stack_bytes,
            fiber::stack_bytes - (i % 64) * 448};
  }

 private:
  static constexpr std::size_t per_slab = 32;
  static constexpr std::size_t slab_bytes = per_slab * fiber::stack_bytes;
  std::vector<void*> slabs_;
  std::size_t used_ = 0;
};

}  // namespace cuda_on_host
