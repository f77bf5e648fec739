// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/device/mirror.hpp>
#include <llep/error.hpp>

namespace llep::tool {

/// Lists of the host where a device's kernels reach them: the lists themselves where the host
/// reaches device memory, else copies in device memory. The device may write to lists that aren't
/// const; `fetch` brings back what it wrote. Borrows the device, the queue and the lists.
template <device D>
class device_lists {
 public:
  device_lists(D& device, typename D::queue& q) : device_(&device), queue_(&q) {}

  /// A packed matrix. What is put on the queue from now on finds its numbers there.
  template <class T>
  [[nodiscard]] matrix_ref<T> of(matrix_ref<T> matrix) {
    expects(matrix.stride == matrix.cols, "device_lists: a matrix must be packed");
    if constexpr (D::host_memory) {
      return matrix;
    } else {
      auto const placed = place(std::vector{part(matrix.data, matrix.rows * matrix.cols, 0)});
      return {reinterpret_cast<T*>(placed), matrix.rows, matrix.cols};
    }
  }

  /// Blocks of experts: block b of expert e, elements[b] long, from experts[e][b] on, which is null
  /// where this rank has none. Copies begin at multiples of 256 bytes, as blocks that are lent do.
  template <class T, std::size_t Blocks>
  [[nodiscard]] std::vector<std::array<T*, Blocks>> of(
      std::vector<std::array<T*, Blocks>> experts,
      std::array<std::int64_t, Blocks> const& elements) {
    if constexpr (!D::host_memory) {
      std::vector<part> parts;
      byte_count end = 0;
      for_each_block(experts, [&](T* block, std::size_t b) {
        parts.emplace_back(block, elements[b], end);
        end = (end + parts.back().bytes + 255) / 256 * 256;
      });
      auto* const placed = place(parts);
      auto next = parts.begin();
      for_each_block(experts, [&](T*& block, std::size_t) {
        block = reinterpret_cast<T*>(placed + (next++)->first);
      });
    }
    return experts;
  }

  /// Waits until the queue has passed all that was put on it; the host's lists then hold what the
  /// device has written.
  void fetch() {
    for (copied_list& list : copies_)
      if (list.written()) list.memory.download(*queue_, 0, list.bytes());
    device_->record(reached_, *queue_);
    device_->sync(reached_);
    for (copied_list const& list : copies_)
      for (part const& p : list.parts)
        if (p.out != nullptr)
          std::memcpy(p.out, list.memory.on_host() + p.first, static_cast<std::size_t>(p.bytes));
  }

 private:
  // Of the host's memory, and where in the copy.
  struct part {
    void const* in;
    void* out = nullptr;  // null: the device only reads it
    byte_count first;
    byte_count bytes;

    template <class T>
    part(T* list, std::int64_t elements, byte_count at)
        : in(list), first(at), bytes(elements * static_cast<byte_count>(sizeof(T))) {
      static_assert(std::is_trivially_copyable_v<T>);
      if constexpr (!std::is_const_v<T>) out = list;
    }
  };

  struct copied_list {
    mirror<D> memory;
    std::vector<part> parts;

    [[nodiscard]] byte_count bytes() const {
      return parts.empty() ? 0 : parts.back().first + parts.back().bytes;
    }
    [[nodiscard]] bool written() const { return bytes() > 0 && parts.front().out != nullptr; }
  };

  template <class Experts, class F>
  static void for_each_block(Experts& experts, F f) {
    for (auto& blocks : experts)
      for (std::size_t b = 0; b < blocks.size() && blocks[b] != nullptr; ++b) f(blocks[b], b);
  }

  // Where the copy of them is; null if they are empty.
  std::byte* place(std::vector<part> parts) {
    copied_list list{mirror<D>(*device_), std::move(parts)};
    if (list.bytes() == 0) return nullptr;
    list.memory.reserve(list.bytes());
    for (part const& p : list.parts)
      std::memcpy(list.memory.on_host() + p.first, p.in, static_cast<std::size_t>(p.bytes));
    list.memory.upload(*queue_, 0, list.bytes());
    return copies_.emplace_back(std::move(list)).memory.on_device();
  }

  D* device_;
  typename D::queue* queue_;
  typename D::event reached_ = device_->make_event();
  std::vector<copied_list> copies_;
};

}  // namespace llep::tool
