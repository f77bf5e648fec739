// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstdint>
#include <exception>
#include <string_view>

#include <llep/backends/mpi/status.hpp>
#include <llep/error.hpp>

namespace llep::mpi {

/// A communicator of our own: a duplicate, so that no message of the user's can be taken for one of
/// ours, which returns errors instead of ending the job.
class line {
 public:
  /// Collective over `of`, which is left as it is. `name` is for messages.
  /// @throws llep::error: communication where MPI fails; duplicating is still under the error
  ///         handler of `of`, which may end the job instead, as MPI's default does.
  line(MPI_Comm of, char const* name) : name_(name), exceptions_(std::uncaught_exceptions()) {
    check(MPI_Comm_dup(of, &comm_), "duplicating the communicator");
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "setting the error handler");
    int rank = 0;
    int size = 0;
    check(MPI_Comm_rank(comm_, &rank), "asking for the rank");
    check(MPI_Comm_size(comm_, &size), "asking for the size");
    rank_ = rank;
    size_ = size;
  }
  line(line const&) = delete;
  line& operator=(line const&) = delete;
  /// Collective, so it isn't freed while an exception unwinds: that may happen on this rank alone.
  /// Where MPI can't free it that ends the job.
  ~line() {
    int finalised = 0;
    if (unwinding() || MPI_Finalized(&finalised) != MPI_SUCCESS || finalised != 0) return;
    int const status = MPI_Comm_free(&comm_);
    if (status != MPI_SUCCESS) end_job(failure(status, "freeing a communicator", rank_), rank_);
  }

  [[nodiscard]] MPI_Comm comm() const noexcept { return comm_; }
  [[nodiscard]] rank_id rank() const noexcept { return rank_; }
  [[nodiscard]] std::int32_t size() const noexcept { return size_; }
  [[nodiscard]] char const* name() const noexcept { return name_; }
  /// An exception thrown since it was made is leaving its scope.
  [[nodiscard]] bool unwinding() const noexcept { return std::uncaught_exceptions() > exceptions_; }

  void check(int status, std::string_view doing, call_site at = call_site::here()) const {
    mpi::check(status, doing, rank_, at);
  }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  char const* name_;
  int exceptions_;  // exceptions that were unwinding when it was made
  rank_id rank_ = no_rank;
  std::int32_t size_ = 0;
};

}  // namespace llep::mpi
