// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <llep/backends/mpi/line.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::mpi {

/// The MPI requests of one post. Reused: allocates only while it grows.
///
/// Bytes are sent, so that a message means the same on both sides however it is counted; one of
/// `most_bytes` or more goes in parts. Only the last one isn't full (it may be empty), so two sides
/// that disagree on a message's length are told so, and neither waits for parts that never come.
class requests {
 public:
  /// Of the line's post number `sequence`; nothing is under way.
  void start(line const& on, std::int64_t sequence) {
    line_ = &on;
    sequence_ = sequence;
    requests_.clear();
    parts_.clear();
    open_ = 0;
  }
  /// MPI may still touch memory.
  [[nodiscard]] bool under_way() const noexcept { return open_ > 0; }
  /// "rows #4". Allocates once the number is long: for what has failed.
  [[nodiscard]] std::string name() const {
    return std::string(line_->name()) + " #" + std::to_string(sequence_);
  }

  void receive(rank_id peer, std::byte* to, byte_count bytes, int most_bytes) {
    in_parts(true, peer, to, bytes, most_bytes, [&](std::byte* at, int n, MPI_Request* r) {
      return MPI_Irecv(at, n, MPI_BYTE, peer, tag, line_->comm(), r);
    });
  }
  void send(rank_id peer, std::byte const* from, byte_count bytes, int most_bytes) {
    in_parts(false, peer, from, bytes, most_bytes, [&](std::byte const* at, int n, MPI_Request* r) {
      return MPI_Isend(at, n, MPI_BYTE, peer, tag, line_->comm(), r);
    });
  }

  /// Lets them move on. Doesn't block.
  void test() {
    if (under_way()) some_done(MPI_Testsome);
  }
  /// Blocks until all are done, or one has failed.
  void wait() {
    while (under_way()) some_done(MPI_Waitsome);
  }

 private:
  static constexpr int tag = 0;

  struct part {
    bool received;
    rank_id peer;
    int bytes;
  };

  template <class Byte, class Start>
  void in_parts(bool received, rank_id peer, Byte* at, byte_count bytes, int most_bytes,
                Start start) {
    for (;;) {
      auto const n = static_cast<int>((std::min)(bytes, byte_count{most_bytes}));
      parts_.push_back({received, peer, n});
      requests_.push_back(MPI_REQUEST_NULL);
      int const status = start(at, n, &requests_.back());
      if (status != MPI_SUCCESS) fail(status, parts_.back());
      ++open_;
      if (n < most_bytes) return;
      at += n;
      bytes -= n;
    }
  }

  // One by one, not all at once: when a message turns out to be shorter than expected, the parts
  // that would follow never come.
  template <class Some>
  void some_done(Some some) {
    done_.resize(requests_.size());
    statuses_.resize(requests_.size());
    int n = 0;
    int const status = some(static_cast<int>(requests_.size()), requests_.data(), &n, done_.data(),
                            statuses_.data());
    if (status != MPI_SUCCESS && status != MPI_ERR_IN_STATUS)
      throw failure(status, name(), line_->rank());
    if (n == MPI_UNDEFINED) n = 0;
    open_ -= n;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      part const& p = parts_[static_cast<std::size_t>(done_[i])];
      if (status == MPI_ERR_IN_STATUS && statuses_[i].MPI_ERROR != MPI_SUCCESS)
        fail(statuses_[i].MPI_ERROR, p);
      if (p.received) check_length(p, statuses_[i]);
    }
  }

  void check_length(part const& p, MPI_Status const& status) const {
    int got = 0;
    int const known = MPI_Get_count(&status, MPI_BYTE, &got);
    if (known != MPI_SUCCESS) fail(known, p);
    if (got != p.bytes)
      throw error(errc::communication,
                  "mpi: " + describe(p) + ": there came " + std::to_string(got), line_->rank(),
                  MPI_ERR_COUNT);
  }

  [[noreturn]] void fail(int status, part const& p) const {
    throw failure(status, describe(p), line_->rank());
  }
  // "receiving 24 bytes from rank 3 in rows #4"
  [[nodiscard]] std::string describe(part const& p) const {
    return (p.received ? "receiving " : "sending ") + std::to_string(p.bytes) + " bytes " +
           (p.received ? "from" : "to") + " rank " + std::to_string(p.peer) + " in " + name();
  }

  line const* line_ = nullptr;
  std::int64_t sequence_ = 0;
  std::int64_t open_ = 0;  // that aren't done
  std::vector<MPI_Request> requests_;
  std::vector<part> parts_;           // by request
  std::vector<int> done_;             // which ones, of the last call
  std::vector<MPI_Status> statuses_;  // and how
};

}  // namespace llep::mpi
