// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands in for the toolkit's: see README.md.

#include "cuda_on_host/keywords.hpp"

#include "cuda_on_host/arithmetic.hpp"
#include "cuda_on_host/atomics.hpp"
#include "cuda_on_host/block.hpp"
#include "cuda_on_host/calls.hpp"
#include "cuda_on_host/copy_api.hpp"
#include "cuda_on_host/device_api.hpp"
#include "cuda_on_host/errors.hpp"
#include "cuda_on_host/event_api.hpp"
#include "cuda_on_host/graph_api.hpp"
#include "cuda_on_host/knobs.hpp"
#include "cuda_on_host/launch.hpp"
#include "cuda_on_host/memory_api.hpp"
#include "cuda_on_host/stream_api.hpp"
#include "cuda_on_host/sync_intrinsics.hpp"
#include "cuda_on_host/vector_types.hpp"
