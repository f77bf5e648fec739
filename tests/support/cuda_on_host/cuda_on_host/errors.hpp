// SPDX-License-Identifier: Apache-2.0
#pragma once

// The errors of the runtime, with its numbers.

#define CUDA_ON_HOST_ERRORS(X)                                                            \
  X(cudaSuccess, 0, "no error")                                                           \
  X(cudaErrorInvalidValue, 1, "invalid argument")                                         \
  X(cudaErrorMemoryAllocation, 2, "out of memory")                                        \
  X(cudaErrorInitializationError, 3, "initialization error")                              \
  X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                   \
  X(cudaErrorInvalidSymbol, 13, "invalid device symbol")                                  \
  X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")             \
  X(cudaErrorInsufficientDriver, 35, "CUDA driver version is insufficient")               \
  X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                        \
  X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                         \
  X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                \
  X(cudaErrorNoKernelImageForDevice, 209, "no kernel image is available for execution")   \
  X(cudaErrorPeerAccessUnsupported, 217, "peer access is not supported")                  \
  X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                       \
  X(cudaErrorNotReady, 600, "device not ready")                                           \
  X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")             \
  X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")        \
  X(cudaErrorPeerAccessAlreadyEnabled, 704, "peer access is already enabled")             \
  X(cudaErrorPeerAccessNotEnabled, 705, "peer access has not been enabled")               \
  X(cudaErrorAssert, 710, "device-side assert triggered")                                 \
  X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                            \
  X(cudaErrorNotPermitted, 800, "operation not permitted")                                \
  X(cudaErrorNotSupported, 801, "operation not supported")                                \
  X(cudaErrorStreamCaptureUnsupported, 900, "not permitted when stream is capturing")     \
  X(cudaErrorStreamCaptureInvalidated, 901, "capture failed by a previous error")         \
  X(cudaErrorStreamCaptureMerge, 902, "would result in a merge of separate captures")     \
  X(cudaErrorStreamCaptureUnmatched, 903, "the capture was not initiated in this stream") \
  X(cudaErrorStreamCaptureUnjoined, 904, "capturing stream has unjoined work")            \
  X(cudaErrorStreamCaptureIsolation, 905, "dependency on uncaptured work")                \
  X(cudaErrorStreamCaptureImplicit, 906, "implicit dependency on the legacy stream")      \
  X(cudaErrorCapturedEvent, 907, "not permitted on an event last recorded in a capture")  \
  X(cudaErrorStreamCaptureWrongThread, 908, "capture is ended from another thread")       \
  X(cudaErrorUnknown, 999, "unknown error")

enum cudaError {
#define CUDA_ON_HOST_ERROR(name, number, text) name = number,
  CUDA_ON_HOST_ERRORS(CUDA_ON_HOST_ERROR)
#undef CUDA_ON_HOST_ERROR
};
using cudaError_t = cudaError;

inline char const* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define CUDA_ON_HOST_ERROR(name, number, text) \
  case name:                                   \
    return #name;
    CUDA_ON_HOST_ERRORS(CUDA_ON_HOST_ERROR)
#undef CUDA_ON_HOST_ERROR
  }
  return "unrecognized error code";
}

inline char const* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define CUDA_ON_HOST_ERROR(name, number, text) \
  case name:                                   \
    return text;
    CUDA_ON_HOST_ERRORS(CUDA_ON_HOST_ERROR)
#undef CUDA_ON_HOST_ERROR
  }
  return "unrecognized error code";
}

#undef CUDA_ON_HOST_ERRORS
