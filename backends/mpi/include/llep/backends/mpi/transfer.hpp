// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llep/backends/mpi/line.hpp>
#include <llep/backends/mpi/requests.hpp>
#include <llep/backends/mpi/stage.hpp>
#include <llep/concepts/communicator.hpp>

namespace llep::mpi {

/// How device memory gets to MPI. Any MPI takes host memory either way, `direct` without copies.
enum class access {
  staged,  ///< through the device's staging memory: for any MPI
  direct,  ///< MPI is given the pointers: where not to host memory, the user says that it is aware
};

/// One post, from its start until it was waited for. Reused: allocates only while it grows.
template <device D, access Access>
class transfer {
 public:
  using queue = typename D::queue;

  explicit transfer(D& device) : device_(&device), reached_(device.make_event()), stage_(device) {}

  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] requests const& posted() const noexcept { return requests_; }

  /// Blocks until q has reached this place.
  void start(queue& q, line const& on, std::int64_t sequence, std::span<outgoing const> sends,
             std::span<incoming const> receives, std::int64_t element_bytes, int most_bytes) {
    requests_.start(on, sequence);
    uploads_.clear();
    std::byte* place = nullptr;
    if constexpr (Access == access::staged) place = download(q, sends, receives, element_bytes);
    device_->record(reached_, q);
    device_->sync(reached_);
    idle_ = false;
    for (incoming const& m : receives) {
      byte_count const bytes = m.count * element_bytes;
      if constexpr (Access == access::staged) uploads_.push_back({m.data, place, bytes});
      requests_.receive(m.peer, next(place, m.data, bytes), bytes, most_bytes);
    }
    for (outgoing const& m : sends) {
      byte_count const bytes = m.count * element_bytes;
      requests_.send(m.peer, next(place, m.data, bytes), bytes, most_bytes);
    }
  }

  /// Lets it move on.
  void test() { requests_.test(); }

  /// Blocks until it is over; what is put on q later sees the data.
  void finish(queue& q) {
    requests_.wait();
    for (upload const& u : uploads_) device_->copy(q, u.to, u.from, u.bytes);
    if (!uploads_.empty()) stage_.read_on(q);
    idle_ = true;
  }

 private:
  struct upload {
    std::byte* to;
    std::byte const* from;
    byte_count bytes;
  };

  // Room for all messages, receives first; what is sent is put there, on q.
  [[nodiscard]] std::byte* download(queue& q, std::span<outgoing const> sends,
                                    std::span<incoming const> receives,
                                    std::int64_t element_bytes) {
    byte_count in = 0;
    byte_count out = 0;
    for (incoming const& m : receives) in += m.count * element_bytes;
    for (outgoing const& m : sends) out += m.count * element_bytes;
    std::byte* const first = stage_.reserve(in + out);
    std::byte* place = first + in;
    for (outgoing const& m : sends) {
      device_->copy(q, place, m.data, m.count * element_bytes);
      place += m.count * element_bytes;
    }
    return first;
  }

  // Where MPI finds a message: at the next place of the stage, or where it is.
  template <class Byte>
  [[nodiscard]] static Byte* next(std::byte*& place, Byte* data, byte_count bytes) {
    if constexpr (Access == access::direct) return data;
    Byte* const here = place;
    place += bytes;
    return here;
  }

  D* device_;
  typename D::event reached_;
  stage<D> stage_;
  requests requests_;
  std::vector<upload> uploads_;
  bool idle_ = true;
};

}  // namespace llep::mpi
