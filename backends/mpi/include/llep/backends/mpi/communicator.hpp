// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <llep/backends/mpi/line.hpp>
#include <llep/backends/mpi/stage.hpp>
#include <llep/backends/mpi/status.hpp>
#include <llep/backends/mpi/transfer.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/device/host.hpp>
#include <llep/error.hpp>

namespace llep::mpi {

/// The same on every rank.
struct options {
  /// A message of this many bytes or more goes as several: MPI counts in int.
  int most_message_bytes = 1 << 30;
};

/// Models llep::communicator over the ranks of an MPI communicator, for any device.
///
/// Blocks    post and all_gather wait for q; all_gather and wait, until the peers have posted.
///           `staged`, post copies what it sends through staging memory, and wait puts copies of
///           what came on q.
/// Errors    MPI can't take back what was posted, so abort prints the cause and ends the job: it
///           doesn't return. While transfers of this rank are under way, whichever they are, a call
///           that fails does the same instead of throwing, and so does destruction: once a call has
///           thrown, no transfer touches this rank's memory.
///           Besides, invalid_argument for messages that break the contract: nothing is sent then.
/// Threads   the thread that may call MPI (MPI_THREAD_FUNNELED will do).
template <device D = host_device, access Access = D::host_memory ? access::direct : access::staged>
class communicator {
  using transfer_type = transfer<D, Access>;

 public:
  using communicator_concept = communicator_tag;
  using device_type = D;
  using queue = typename D::queue;
  static constexpr bool places_segments = false;
  static constexpr bool needs_progress = true;

  class ticket {
   public:
    ticket(ticket&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    ticket& operator=(ticket&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~ticket() = default;

   private:
    friend communicator;
    explicit ticket(transfer_type* of) : of_(of) {}
    transfer_type* of_;
  };

  /// Collective over `ranks`, an intracommunicator; so is destruction. `ranks` is duplicated and
  /// left as it is.
  /// @throws llep::error: invalid_argument, on every rank alike, where the options aren't legal or
  ///         differ: nothing is duplicated then; communication where MPI fails. Where that is in a
  ///         call on `ranks`, its error handler is asked first: MPI's default ends the job.
  explicit communicator(MPI_Comm ranks, D own_device = D(), options const& how = {})
      : state_(std::make_unique<state>(ranks, std::move(own_device), checked(ranks, how))) {}
  communicator(communicator&&) noexcept = default;
  communicator& operator=(communicator&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~communicator() {
    if (state_ == nullptr) return;
    if (requests const* const left = under_way())
      end_job({errc::communication,
               (state_->lines[0].unwinding() ? "left by an exception, without" : "left without") +
                   (" waiting for " + left->name())},
              rank());
  }

  [[nodiscard]] rank_id rank() const noexcept { return state_->lines[0].rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return state_->lines[0].size(); }
  [[nodiscard]] D& device() noexcept { return state_->device; }

  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    guarded([&] {
      constexpr byte_count word = sizeof(std::int64_t);
      expects(n >= 0 && n <= (std::numeric_limits<int>::max)(),
              "mpi: all_gather takes 0 to 2^31 - 1 words");
      auto const* from = in;
      auto* to = out;
      if constexpr (Access == access::staged) {
        to = reinterpret_cast<std::int64_t*>(state_->gathered.reserve(n * word * (size() + 1)));
        device().copy(q, to + n * size(), in, n * word);
        from = to + n * size();
      }
      device().record(state_->reached, q);
      device().sync(state_->reached);
      line const& on = state_->lines[gather_line];
      on.check(MPI_Allgather(from, static_cast<int>(n), MPI_INT64_T, to, static_cast<int>(n),
                             MPI_INT64_T, on.comm()),
               on.name());
      if constexpr (Access == access::staged) {
        device().copy(q, out, to, n * word * size());
        state_->gathered.read_on(q);
      }
    });
  }

  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    return guarded([&] {
      check_messages(sends, receives, element_bytes);
      auto const l = static_cast<std::size_t>(on);
      transfer_type& t = idle_transfer(state_->pools[l]);
      t.start(q, state_->lines[l], state_->posts[l]++, sends, receives, element_bytes,
              state_->how.most_message_bytes);
      return ticket(&t);
    });
  }

  void wait(queue& q, ticket posted) {
    guarded([&] {
      expects(posted.of_ != nullptr, "mpi: a ticket is waited for once");
      posted.of_->finish(q);
    });
  }

  void progress() {
    guarded([&] {
      for (auto& pool : state_->pools)
        for (transfer_type& t : pool) t.test();
    });
  }

  /// Prints the cause on standard error and ends the job, with exit code 1: doesn't return.
  [[noreturn]] error abort(error const& why) noexcept {
    end_job(state_->cause.value_or(why), rank());
  }

 private:
  static constexpr std::size_t lanes = 2;
  static constexpr std::size_t gather_line = lanes;

  // Stays where it is when the communicator is moved.
  struct state {
    state(MPI_Comm ranks, D own_device, options const& chosen)
        : device(std::move(own_device)),
          how(chosen),
          lines{{{ranks, "rows"}, {ranks, "weights"}, {ranks, "all_gather"}}},
          reached(device.make_event()),
          gathered(device) {}

    D device;
    options how;
    std::array<line, lanes + 1> lines;
    typename D::event reached;
    stage<D> gathered;
    std::array<std::deque<transfer_type>, lanes> pools;
    std::array<std::int64_t, lanes> posts{};
    std::optional<error> cause;  // of the transport's failure
  };

  // Runs a call's body, unless the transport has failed; notes it if it does. What it throws ends
  // the job while MPI may still write to memory that unwinding would free.
  template <class Body>
  auto guarded(Body body) {
    if (state_->cause) throw error(*state_->cause);
    try {
      return body();
    } catch (...) {
      error const why = current_error(rank());
      if (under_way() != nullptr) end_job(why, rank());
      if (why.code() == errc::communication) state_->cause = why;
      throw;
    }
  }

  // A post whose memory MPI may still touch, or null.
  [[nodiscard]] requests const* under_way() const noexcept {
    for (auto const& pool : state_->pools)
      for (transfer_type const& t : pool)
        if (t.posted().under_way()) return &t.posted();
    return nullptr;
  }

  // The first one, so that the same calls find the same transfers, which are large enough.
  [[nodiscard]] transfer_type& idle_transfer(std::deque<transfer_type>& pool) {
    for (transfer_type& t : pool)
      if (t.idle()) return t;
    return pool.emplace_back(device());
  }

  [[nodiscard]] static options const& checked(MPI_Comm ranks, options const& how) {
    std::array<int, 2> range{how.most_message_bytes, -how.most_message_bytes};
    check(MPI_Allreduce(MPI_IN_PLACE, range.data(), 2, MPI_INT, MPI_MIN, ranks),
          "comparing options", no_rank);
    expects(range[0] >= 1, "mpi: most_message_bytes must be at least 1");
    expects(range[0] == -range[1], "mpi: most_message_bytes must be the same on every rank");
    return how;
  }

  void check_messages(std::span<outgoing const> sends, std::span<incoming const> receives,
                      std::int64_t element_bytes) const {
    constexpr auto most = (std::numeric_limits<std::int64_t>::max)() / 2;
    auto const fits = [&](auto const& m) {
      return m.peer >= 0 && m.peer < size() && m.peer != rank() && m.data != nullptr &&
             m.count >= 1 && m.count <= most / element_bytes;
    };
    if (element_bytes < 1 || !std::all_of(sends.begin(), sends.end(), fits) ||
        !std::all_of(receives.begin(), receives.end(), fits))
      throw error(errc::invalid_argument,
                  "mpi: a message has a bad peer, count, data or element size", rank());
  }

  std::unique_ptr<state> state_;
};
static_assert(llep::communicator<communicator<host_device>>);

}  // namespace llep::mpi
