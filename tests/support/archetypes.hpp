// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llep/concepts/checks.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/device.hpp>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/concepts/imbalance_test.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/concepts/training.hpp>

namespace llep::testing {

// The weakest model of each concept: what the concept lists and nothing besides. None can be
// default-built, copied or compared unless its concept asks for that, and then only just: default
// constructors are explicit, moves and copies may throw. Functions have no bodies: archetypes are
// for compiling against, never for running.

// ---- policies: regular values -------------------------------------------------------------------

struct planner_archetype {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = true;

  struct memory {
    explicit memory();
    memory(memory&&);
    memory& operator=(memory&&);
  };

  explicit planner_archetype();
  planner_archetype(planner_archetype const&);
  planner_archetype& operator=(planner_archetype const&);
  friend bool operator==(planner_archetype const&, planner_archetype const&);

  void plan(problem const& in, memory& kept, llep::plan& out) const;
  std::uint64_t digest() const;
  std::uint64_t digest(memory const& history) const;
};

struct row_order_archetype {
  using row_order_concept = row_order_tag;

  struct memory {
    explicit memory();
    memory(memory&&);
    memory& operator=(memory&&);
  };

  explicit row_order_archetype();
  row_order_archetype(row_order_archetype const&);
  row_order_archetype& operator=(row_order_archetype const&);
  friend bool operator==(row_order_archetype const&, row_order_archetype const&);

  void arrange(problem const& in, plan const& p, memory& kept, std::vector<piece>& out) const;
  std::uint64_t digest() const;
};

struct imbalance_test_archetype {
  using imbalance_test_concept = imbalance_test_tag;

  explicit imbalance_test_archetype();
  imbalance_test_archetype(imbalance_test_archetype const&);
  imbalance_test_archetype& operator=(imbalance_test_archetype const&);
  friend bool operator==(imbalance_test_archetype const&, imbalance_test_archetype const&);

  bool operator()(std::span<row_count const> rank_loads,
                  std::span<row_count const> expert_loads) const;
  std::uint64_t digest() const;
};

/// Asks for everything, so that nothing is left out where it is compiled against.
struct checks_archetype {
  using checks_concept = checks_tag;
  static constexpr bool validates_plan = true;
  static constexpr bool compares_plans = true;
  static constexpr bool validates_pieces = true;
  static constexpr bool gathers_digest = true;

  explicit checks_archetype();
  checks_archetype(checks_archetype const&);
  checks_archetype& operator=(checks_archetype const&);
  friend bool operator==(checks_archetype const&, checks_archetype const&);
};

// ---- where the rows live, travel and change: movable objects ------------------------------------

template <bool HostMemory = false>
struct device_archetype {
  using device_concept = device_tag;
  static constexpr bool host_memory = HostMemory;

  struct queue {
    queue() = delete;
    queue(queue&&);
    queue& operator=(queue&&);
  };
  struct event {
    event() = delete;
    event(event&&);
    event& operator=(event&&);
  };

  device_archetype() = delete;
  device_archetype(device_archetype&&);
  device_archetype& operator=(device_archetype&&);

  queue make_queue();
  event make_event();
  void* allocate(byte_count bytes);
  void deallocate(void* p) noexcept;
  void* allocate_staging(byte_count bytes);
  void deallocate_staging(void* p) noexcept;
  void copy(queue& q, void* to, void const* from, byte_count bytes);
  void record(event& e, queue& q);
  void wait(queue& q, event& e);
  void sync(event& e);

  void count(queue& q, matrix_ref<std::int32_t const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts);
  void count(queue& q, matrix_ref<std::int64_t const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts);
  void index(queue& q, matrix_ref<std::int32_t const> ids, std::int32_t experts,
             std::int64_t const* offsets, row_segment const* segments, std::int32_t* slots);
  void index(queue& q, matrix_ref<std::int64_t const> ids, std::int32_t experts,
             std::int64_t const* offsets, row_segment const* segments, std::int32_t* slots);
  void pack(queue& q, std::byte const* x, byte_count row_bytes, byte_count stride_bytes,
            std::int64_t choices, std::int32_t const* slots, std::int64_t n, std::byte* out);
  void move_rows(queue& q, std::byte const* from, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* to);
  void combine(queue& q, float const* y, std::int32_t const* slots, matrix_ref<float const> gates,
               matrix_ref<float> out);
  void combine(queue& q, float const* y, std::int32_t const* slots, matrix_ref<double const> gates,
               matrix_ref<float> out);
  void combine(queue& q, double const* y, std::int32_t const* slots, matrix_ref<float const> gates,
               matrix_ref<double> out);
  void combine(queue& q, double const* y, std::int32_t const* slots, matrix_ref<double const> gates,
               matrix_ref<double> out);
};

template <device Device = device_archetype<>, bool PlacesSegments = false,
          bool NeedsProgress = false>
struct communicator_archetype {
  using communicator_concept = communicator_tag;
  using device_type = Device;
  static constexpr bool places_segments = PlacesSegments;
  static constexpr bool needs_progress = NeedsProgress;

  struct ticket {
    ticket() = delete;
    ticket(ticket&&);
    ticket& operator=(ticket&&);
  };

  communicator_archetype() = delete;
  communicator_archetype(communicator_archetype&&);
  communicator_archetype& operator=(communicator_archetype&&);

  rank_id rank() const noexcept;
  std::int32_t size() const noexcept;
  Device& device() noexcept;

  void all_gather(typename Device::queue& q, std::int64_t const* in, std::int64_t* out,
                  std::int64_t n);
  ticket post(typename Device::queue& q, lane on, std::span<outgoing const> sends,
              std::span<incoming const> receives, std::int64_t element_bytes);
  void wait(typename Device::queue& q, ticket posted);
  void progress();
  error abort(error const& why) noexcept;
};

template <device Device = device_archetype<>, class Row = float, std::size_t Blocks = 2>
struct expert_kernel_archetype {
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = Device;
  using row_type = Row;
  static constexpr std::size_t blocks = Blocks;

  expert_kernel_archetype() = delete;
  expert_kernel_archetype(expert_kernel_archetype&&);
  expert_kernel_archetype& operator=(expert_kernel_archetype&&);

  std::int64_t hidden() const noexcept;
  std::uint64_t digest() const;
  byte_count block_bytes(std::size_t block) const;
  std::array<void const*, Blocks> native(expert_id e) const;
  byte_count work_bytes(std::span<row_count const> rows_by_group) const;
  void forward(typename Device::queue& q, std::span<row_group<Blocks> const> groups, Row const* x,
               Row* y, void* work);
};

/// A row element of a model's own: it can be moved about as bytes, and nothing can be computed
/// with it.
struct row_archetype {
  row_archetype() = delete;
  std::byte bytes[2];
};

/// Combines rows of row_archetype with gates of float, the least that a kernel over it asks for.
template <bool HostMemory = false>
struct own_rows_device_archetype : device_archetype<HostMemory> {
  using device_archetype<HostMemory>::combine;
  void combine(typename device_archetype<HostMemory>::queue& q, row_archetype const* y,
               std::int32_t const* slots, matrix_ref<float const> gates,
               matrix_ref<row_archetype> out);
};

// ---- what goes backwards ------------------------------------------------------------------------

/// An element of gradients of a model's own: only the device can add one to another.
struct grad_archetype {
  grad_archetype() = delete;
  std::byte bytes[4];
};

/// Goes back with one triple of element types.
template <class Device = device_archetype<>, class Row = float, class Gate = float,
          class Grad = grad_archetype>
struct training_device_archetype : Device {
  using queue = typename Device::queue;

  void zero(queue& q, void* memory, byte_count bytes);
  void accumulate(queue& q, Grad const* from, std::int64_t n, Grad* to);
  void pack_scaled(queue& q, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out);
  void sum(queue& q, Row const* y, std::int32_t const* slots, std::int64_t choices,
           matrix_ref<Row> out);
  void gate_gradient(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                     matrix_ref<Gate> out);
};

template <device Device = training_device_archetype<>, class Row = float, std::size_t Blocks = 2,
          class Grad = grad_archetype>
struct trainable_kernel_archetype : expert_kernel_archetype<Device, Row, Blocks> {
  using queue = typename Device::queue;
  using grad_type = Grad;
  using expert_kernel_archetype<Device, Row, Blocks>::forward;

  std::int64_t grad_elements(std::size_t block) const;
  std::array<void*, Blocks> native_grad(expert_id e) const;
  byte_count saved_row_bytes() const;
  byte_count backward_work_bytes(std::span<row_count const> rows_by_group) const;
  void forward(queue& q, std::span<row_group<Blocks> const> groups, Row const* x, Row* y,
               void* saved, void* work);
  void backward(queue& q, std::span<gradient_group<Blocks> const> groups, Row const* x,
                void const* saved, Row const* gy, Row* gx, void* work);
};

}  // namespace llep::testing
