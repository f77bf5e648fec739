// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda_on_host/library_types.hpp"
