// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <llep/device/host.hpp>
#include <llep/kernel/loops.hpp>

namespace llep::testing {

/// A device that behaves as one with streams does: a queue is a thread that works off what was put
/// on it, whenever it likes; the host gets ahead and must not touch device memory. It shows that
/// nothing above it relies on a call having happened when it returns.
class stream_device {
  // What an event waits for: `reached` once the queue has come past its latest record.
  struct mark {
    std::mutex mutex;
    std::condition_variable changed;
    std::int64_t recorded = 0;
    std::int64_t reached = 0;

    void reach(std::int64_t record) {
      std::lock_guard const held(mutex);
      reached = std::max(reached, record);
      changed.notify_all();
    }
    void await(std::int64_t record) {
      std::unique_lock held(mutex);
      changed.wait(held, [&] { return reached >= record; });
    }
    std::int64_t latest() {
      std::lock_guard const held(mutex);
      return recorded;
    }
  };

  class worker {
   public:
    worker() : thread_([this] { work(); }) {
      std::lock_guard const held(everybody().mutex);
      everybody().workers.insert(this);
    }
    ~worker() {
      {
        std::lock_guard const held(everybody().mutex);
        everybody().workers.erase(this);
      }
      put(nullptr);
      thread_.join();
    }

    // Returns when all that was put on any queue before is done: what freeing memory has to wait
    // for.
    static void drain_all() {
      std::vector<std::shared_ptr<mark>> ends;
      {
        std::lock_guard const held(everybody().mutex);
        for (worker* const w : everybody().workers) {
          ends.push_back(std::make_shared<mark>());
          w->put([end = ends.back()] { end->reach(1); });
        }
      }
      for (auto const& end : ends) end->await(1);
    }
    void put(std::function<void()> task) {
      std::lock_guard const held(mutex_);
      tasks_.push_back(std::move(task));
      filled_.notify_one();
    }

   private:
    struct registry {
      std::mutex mutex;
      std::set<worker*> workers;
    };
    static registry& everybody() {
      static registry all;
      return all;
    }

    void work() {
      for (;;) {
        std::unique_lock held(mutex_);
        filled_.wait(held, [this] { return !tasks_.empty(); });
        auto const task = std::move(tasks_.front());
        tasks_.pop_front();
        held.unlock();
        if (!task) return;
        std::this_thread::yield();  // lets the host get ahead
        task();
      }
    }
    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<std::function<void()>> tasks_;
    std::thread thread_;
  };

 public:
  using device_concept = device_tag;
  static constexpr bool host_memory = false;

  class queue {
   public:
    queue() : worker_(std::make_unique<worker>()) {}
    void put(std::function<void()> task) { worker_->put(std::move(task)); }

   private:
    std::unique_ptr<worker> worker_;
  };
  struct event {
    std::shared_ptr<mark> at = std::make_shared<mark>();
  };

  [[nodiscard]] queue make_queue() { return {}; }
  [[nodiscard]] event make_event() { return {}; }
  [[nodiscard]] void* allocate(byte_count bytes) { return host_.allocate(bytes); }
  void deallocate(void* p) noexcept {
    worker::drain_all();
    host_.deallocate(p);
  }
  [[nodiscard]] void* allocate_staging(byte_count bytes) { return host_.allocate(bytes); }
  void deallocate_staging(void* p) noexcept { deallocate(p); }

  void copy(queue& q, void* dst, void const* src, byte_count bytes) {
    q.put([=, q2 = host_device::queue{}]() mutable { host_device().copy(q2, dst, src, bytes); });
  }
  void record(event& e, queue& q) {
    std::int64_t record = 0;
    {
      std::lock_guard const held(e.at->mutex);
      record = ++e.at->recorded;
    }
    q.put([at = e.at, record] { at->reach(record); });
  }
  void wait(queue& q, event& e) {
    q.put([at = e.at, record = e.at->latest()] { at->await(record); });
  }
  void sync(event& e) { e.at->await(e.at->latest()); }

  template <class Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    later(q, [=](host_device& d, host_device::queue& h) { d.count(h, ids, experts, bad, counts); });
  }
  template <class Id>
  void index(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t const* offsets,
             row_segment const* segments, std::int32_t* slots) {
    later(q, [=](host_device& d, host_device::queue& h) {
      d.index(h, ids, experts, offsets, segments, slots);
    });
  }
  void pack(queue& q, std::byte const* x, byte_count row_bytes, byte_count stride_bytes,
            std::int64_t choices, std::int32_t const* slots, std::int64_t n, std::byte* out) {
    later(q, [=](host_device& d, host_device::queue& h) {
      d.pack(h, x, row_bytes, stride_bytes, choices, slots, n, out);
    });
  }
  void move_rows(queue& q, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    later(q, [=](host_device& d, host_device::queue& h) {
      d.move_rows(h, src, row_bytes, chunks, count, dst);
    });
  }
  template <class Row, class Gate>
  void combine(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    later(q, [=](host_device& d, host_device::queue& h) { d.combine(h, y, slots, gates, out); });
  }

  void zero(queue& q, void* p, byte_count bytes) {
    later(q, [=](host_device& d, host_device::queue& h) { d.zero(h, p, bytes); });
  }
  template <class T>
  void accumulate(queue& q, T const* src, std::int64_t n, T* dst) {
    later(q, [=](host_device& d, host_device::queue& h) { d.accumulate(h, src, n, dst); });
  }
  template <class Row, class Gate>
  void pack_scaled(queue& q, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out) {
    later(q,
          [=](host_device& d, host_device::queue& h) { d.pack_scaled(h, g, gates, slots, out); });
  }
  template <class Row>
  void sum(queue& q, Row const* y, std::int32_t const* slots, std::int64_t choices,
           matrix_ref<Row> out) {
    later(q, [=](host_device& d, host_device::queue& h) { d.sum(h, y, slots, choices, out); });
  }
  template <class Row, class Gate>
  void gate_gradient(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                     matrix_ref<Gate> out) {
    later(q, [=](host_device& d, host_device::queue& h) { d.gate_gradient(h, y, slots, g, out); });
  }

 private:
  template <class Work>
  static void later(queue& q, Work work) {
    q.put([work] {
      host_device device;
      host_device::queue h;
      work(device, h);
    });
  }

  host_device host_;
};
static_assert(device<stream_device>);
static_assert(trains_rows<stream_device, double, double, double>);

/// The loops kernel on such a device.
template <class Family>
class stream_kernel : public loops_kernel<Family> {
 public:
  using base = loops_kernel<Family>;
  using device_type = stream_device;
  using base::base;

  void forward(stream_device::queue& q, std::span<row_group<base::blocks> const> groups,
               typename base::row_type const* x, typename base::row_type* y, void* work) {
    std::vector<row_group<base::blocks>> kept(groups.begin(), groups.end());
    q.put([this, kept, x, y, work] {
      host_device::queue h;
      base::forward(h, kept, x, y, work);
    });
  }
  void forward(stream_device::queue& q, std::span<row_group<base::blocks> const> groups,
               typename base::row_type const* x, typename base::row_type* y, void* saved,
               void* work) {
    std::vector<row_group<base::blocks>> kept(groups.begin(), groups.end());
    q.put([this, kept, x, y, saved, work] {
      host_device::queue h;
      base::forward(h, kept, x, y, saved, work);
    });
  }
  void backward(stream_device::queue& q, std::span<gradient_group<base::blocks> const> groups,
                typename base::row_type const* x, void const* saved,
                typename base::row_type const* gy, typename base::row_type* gx, void* work) {
    std::vector<gradient_group<base::blocks>> kept(groups.begin(), groups.end());
    q.put([this, kept, x, saved, gy, gx, work] {
      host_device::queue h;
      base::backward(h, kept, x, saved, gy, gx, work);
    });
  }
};
static_assert(trainable_kernel<stream_kernel<linear_expert<float>>>);

}  // namespace llep::testing
