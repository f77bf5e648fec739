# SPDX-License-Identifier: Apache-2.0
set(MPI_CXX_SKIP_MPICXX ON) # the C++ bindings that MPI 3 removed
llep_backend(mpi PACKAGES "MPI 3.1 COMPONENTS CXX" LINK MPI::MPI_CXX)
