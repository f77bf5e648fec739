// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <llep/device/host.hpp>
#include <llep/testing/device.hpp>
#include <llep/testing/training_device.hpp>

#include "support/broken.hpp"

// Devices that break one promise each: the suite must find and name it.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::StartsWith;

template <class Device>
std::string found_in() {
  Device device;
  auto q = device.make_queue();
  return broken_promise_of([&](std::uint64_t seed) {
    check_device(device, q, seed);
    check_training_device<float, double, float>(device, q, seed);
  });
}

struct last_choice_first : host_device {
  template <class Row, class Gate>
  void combine(queue&, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    for (std::int64_t t = 0; t < out.rows; ++t)
      for (std::int64_t h = 0; h < out.cols; ++h) {
        Row sum = 0;
        for (std::int64_t k = gates.cols; k-- > 0;)
          sum += static_cast<Row>(gates.row(t)[k]) * y[slots[t * gates.cols + k] * out.cols + h];
        out.row(t)[h] = sum;
      }
  }
};
struct sums_in_double : host_device {
  template <class Row, class Gate>
  void combine(queue&, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    for (std::int64_t t = 0; t < out.rows; ++t)
      for (std::int64_t h = 0; h < out.cols; ++h) {
        double sum = 0;
        for (std::int64_t k = 0; k < gates.cols; ++k)
          sum += static_cast<double>(gates.row(t)[k]) *
                 static_cast<double>(y[slots[t * gates.cols + k] * out.cols + h]);
        out.row(t)[h] = static_cast<Row>(sum);
      }
  }
};
struct forgets_strides : host_device {
  template <class Row, class Gate>
  void combine(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    gates.stride = gates.cols;
    host_device::combine(q, y, slots, gates, out);
  }
};
struct tells_last_bad_id : host_device {
  template <class Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    host_device::count(q, ids, experts, bad, counts);
    for (std::int64_t i = 0; i < ids.rows * ids.cols; ++i) {
      Id const id = ids.row(i / ids.cols)[i % ids.cols];
      if (id < 0 || id >= experts) bad[0] = i, bad[1] = id;
    }
  }
};
struct cuts_ids : host_device {
  template <class Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    std::vector<std::int32_t> narrow;
    for (std::int64_t i = 0; i < ids.rows * ids.cols; ++i)
      narrow.push_back(static_cast<std::int32_t>(ids.row(i / ids.cols)[i % ids.cols]));
    host_device::count(q, matrix_ref<std::int32_t const>(narrow.data(), ids.rows, ids.cols),
                       experts, bad, counts);
  }
};
struct adds_to_counts : host_device {
  template <class Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    std::vector<std::int64_t> const before(counts, counts + experts);
    host_device::count(q, ids, experts, bad, counts);
    for (std::size_t e = 0; e < before.size(); ++e) counts[e] += before[e];
  }
};
struct unstable : host_device {
  template <class Id>
  void index(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t const* offsets,
             row_segment const* segments, std::int32_t* slots) {
    host_device::index(q, ids, experts, offsets, segments, slots);
    for (std::int64_t i = 1; i < ids.rows * ids.cols; ++i) {
      auto const id = [&](std::int64_t j) { return ids.row(j / ids.cols)[j % ids.cols]; };
      if (id(i) == id(i - 1)) std::swap(slots[i], slots[i - 1]);
    }
  }
};
struct packs_first_token : host_device {
  void pack(queue& q, std::byte const* x, byte_count row_bytes, byte_count, std::int64_t choices,
            std::int32_t const* slots, std::int64_t n, std::byte* out) {
    host_device::pack(q, x, row_bytes, 0, choices, slots, n, out);
  }
};
struct drops_a_chunk : host_device {
  void move_rows(queue& q, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    host_device::move_rows(q, src, row_bytes, chunks, (std::max)(count - 1, std::int64_t{0}), dst);
  }
};
struct refuses_no_rows : host_device {
  void move_rows(queue& q, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    if (count == 0 && src == nullptr) throw error(errc::device, "nothing to launch");
    host_device::move_rows(q, src, row_bytes, chunks, count, dst);
  }
};
struct misaligned : host_device {
  void* allocate(byte_count bytes) {
    return static_cast<std::byte*>(host_device::allocate(bytes + 256)) + 128;
  }
  void deallocate(void* p) noexcept { host_device::deallocate(static_cast<std::byte*>(p) - 128); }
};
struct copies_too_little : host_device {
  void copy(queue& q, void* dst, void const* src, byte_count bytes) {
    host_device::copy(q, dst, src, bytes / 8 * 8 - (bytes > 4096 ? 8 : 0));
  }
};

TEST_CASE("conformance: a device that breaks a promise is caught by name",
          "[conformance][device]") {
  CHECK_THAT(found_in<host_device>(), StartsWith("nothing"));
  CHECK_THAT(found_in<last_choice_first>(),
             StartsWith("device: combine: sums in the order of the choices"));
  CHECK_THAT(found_in<sums_in_double>(),
             StartsWith("device: combine: sums in the order of the choices"));
  CHECK_THAT(found_in<forgets_strides>(), StartsWith("device: combine: "));
  CHECK_THAT(found_in<tells_last_bad_id>(), StartsWith("device: count: bad is the first bad"));
  CHECK_THAT(found_in<cuts_ids>(), StartsWith("device: count: "));
  CHECK_THAT(found_in<adds_to_counts>(), StartsWith("device: count: counts are"));
  CHECK_THAT(found_in<unstable>(), StartsWith("device: index: every row has the slot"));
  CHECK_THAT(found_in<packs_first_token>(), StartsWith("device: pack: "));
  CHECK_THAT(found_in<drops_a_chunk>(), StartsWith("device: move_rows: "));
  CHECK_THAT(found_in<refuses_no_rows>(), StartsWith("device: row operations with zero rows"));
  CHECK_THAT(found_in<misaligned>(), StartsWith("device: allocate: "));
  CHECK_THAT(found_in<copies_too_little>(), StartsWith("device: copy: "));
}

struct overwrites : host_device {
  template <class T>
  void accumulate(queue&, T const* src, std::int64_t n, T* dst) {
    std::copy_n(src, n, dst);
  }
};
struct clears_too_much : host_device {
  void zero(queue& q, void* p, byte_count bytes) {
    host_device::zero(q, p, bytes + (bytes > 0 ? 1 : 0));
  }
};
struct unscaled : host_device {
  template <class Row, class Gate>
  void pack_scaled(queue& q, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out) {
    std::vector<Gate> const ones(static_cast<std::size_t>(gates.rows * gates.cols), Gate{1});
    host_device::pack_scaled(q, g, matrix_ref<Gate const>(ones.data(), gates.rows, gates.cols),
                             slots, out);
  }
};
struct sums_backwards : host_device {
  template <class Row>
  void sum(queue&, Row const* y, std::int32_t const* slots, std::int64_t choices,
           matrix_ref<Row> out) {
    for (std::int64_t t = 0; t < out.rows; ++t)
      for (std::int64_t h = 0; h < out.cols; ++h) {
        Row total = 0;
        for (std::int64_t k = choices; k-- > 0;) total += y[slots[t * choices + k] * out.cols + h];
        out.row(t)[h] = total;
      }
  }
};
struct dots_begin_anywhere : host_device {  // where they do hangs on where the row lies
  template <class Row, class Gate>
  void gate_gradient(queue&, Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                     matrix_ref<Gate> out) {
    for (std::int64_t i = 0; i < out.rows * out.cols; ++i) {
      Row total = 0;
      for (std::int64_t j = 0; j < g.cols; ++j) {
        std::int64_t const h = (j + slots[i]) % g.cols;
        total += g.row(i / out.cols)[h] * y[slots[i] * g.cols + h];
      }
      out.row(i / out.cols)[i % out.cols] = static_cast<Gate>(total);
    }
  }
};

TEST_CASE("conformance: a device that goes back wrongly is caught by name",
          "[conformance][device]") {
  CHECK_THAT(found_in<overwrites>(), StartsWith("trains_rows: accumulate: "));
  CHECK_THAT(found_in<clears_too_much>(), StartsWith("trains_rows: zero: "));
  CHECK_THAT(found_in<unscaled>(), StartsWith("trains_rows: pack_scaled: "));
  CHECK_THAT(found_in<sums_backwards>(), StartsWith("trains_rows: sum: adds in the order"));
  CHECK_THAT(found_in<dots_begin_anywhere>(),
             StartsWith("trains_rows: gate_gradient: sums in an order"));
}

// ---- queues and events --------------------------------------------------------------------------

/// Queues keep what is put on them until somebody waits for an event: nothing happens earlier than
/// it must. Each of the flags breaks a promise.
class lazy_device {
  struct work {
    std::vector<std::function<void()>> steps;
    std::size_t done = 0;
    void run(std::size_t up_to) {
      while (done < up_to) steps[done++]();
    }
    void run() { run(steps.size()); }
  };

 public:
  using device_concept = device_tag;
  static constexpr bool host_memory = false;
  struct queue {
    std::shared_ptr<work> put;
  };
  struct event {
    std::shared_ptr<work> of = std::make_shared<work>();
    std::size_t mark = 0;
  };
  bool ignores_events = false;
  bool runs_last_first = false;
  bool reuses_memory_at_once = false;

  [[nodiscard]] queue make_queue() { return {all_.emplace_back(std::make_shared<work>())}; }
  [[nodiscard]] event make_event() { return {}; }
  [[nodiscard]] void* allocate(byte_count bytes) {
    constexpr byte_count enough = 1 << 18;
    if (!reuses_memory_at_once || given_back_.empty() || bytes > enough)
      return host_.allocate((std::max)(bytes, enough));
    void* const p = given_back_.back();
    given_back_.pop_back();
    return p;
  }
  void deallocate(void* p) noexcept { given_back_.push_back(p); }
  [[nodiscard]] void* allocate_staging(byte_count bytes) { return allocate(bytes); }
  void deallocate_staging(void* p) noexcept { deallocate(p); }
  void copy(queue& q, void* dst, void const* src, byte_count bytes) {
    auto task = [=, this, none = host_device::queue{}]() mutable {
      host_.copy(none, dst, src, bytes);
    };
    auto& steps = q.put->steps;
    auto const jumps = runs_last_first && steps.size() > q.put->done ? 1 : 0;
    steps.insert(steps.end() - jumps, task);
  }
  void record(event& e, queue& q) { e = {q.put, q.put->steps.size()}; }
  void wait(queue& q, event& e) {
    if (!ignores_events) q.put->steps.push_back([e] { e.of->run(e.mark); });
  }
  void sync(event& e) { e.of->run(e.mark); }

  template <class... Args>
  void count(queue& q, Args... args) {
    q.put->run(), host_.count(none_, args...);
  }
  template <class... Args>
  void index(queue& q, Args... args) {
    q.put->run(), host_.index(none_, args...);
  }
  template <class... Args>
  void pack(queue& q, Args... args) {
    q.put->run(), host_.pack(none_, args...);
  }
  template <class... Args>
  void move_rows(queue& q, Args... args) {
    q.put->run(), host_.move_rows(none_, args...);
  }
  template <class Row, class Gate>
  void combine(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    q.put->run(), host_.combine(none_, y, slots, gates, out);
  }

  lazy_device() = default;
  lazy_device(lazy_device&&) = default;
  lazy_device& operator=(lazy_device&&) = default;
  ~lazy_device() {
    for (auto const& w : all_) w->steps.clear();  // they hold each other
    for (void* const p : given_back_) host_.deallocate(p);
  }

 private:
  host_device host_;
  host_device::queue none_;
  std::vector<std::shared_ptr<work>> all_;
  std::vector<void*> given_back_;  // freed at the end: work may be left that touches it
};
static_assert(device<lazy_device>);

std::string found_in(lazy_device device) {
  auto q = device.make_queue();
  return broken_promise_of([&](std::uint64_t seed) { check_device(device, q, seed); }, 5);
}

TEST_CASE("conformance: queues that don't keep an order are caught by name",
          "[conformance][device]") {
  CHECK_THAT(found_in(lazy_device()), StartsWith("nothing"));
  lazy_device ignores;
  ignores.ignores_events = true;
  CHECK_THAT(found_in(std::move(ignores)), StartsWith("device: record and wait: "));
  lazy_device hasty;
  hasty.reuses_memory_at_once = true;
  CHECK_THAT(found_in(std::move(hasty)), StartsWith("device: deallocate: "));
  lazy_device backwards;
  backwards.runs_last_first = true;
  CHECK_THAT(found_in(std::move(backwards)), StartsWith("device: "));
}

}  // namespace
