# SPDX-License-Identifier: Apache-2.0
llep_backend(eigen PACKAGES "Eigen3 3.4" LINK Eigen3::Eigen)
