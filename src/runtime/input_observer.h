// Somebody who looks at the inputs of matrices while a model runs: calibration.
#pragma once

#include <cstddef>
#include <span>

namespace trine::runtime {

struct LinearCall;

class InputObserver {
 public:
  virtual ~InputObserver() = default;

  /// Called by every multiply() before it computes, on the calling thread: the matrices of
  /// `calls` are about to be applied to inputs [num_tokens, in_features]. Absent matrices may
  /// be among them. Inputs are gone after the call.
  virtual void observe(std::span<const LinearCall> calls, const float* inputs,
                       std::size_t num_tokens) = 0;
};

}  // namespace trine::runtime
