#include "runtime/rope.h"

#include <cmath>

namespace trine::runtime {

RotaryTable::RotaryTable(std::size_t head_dim, double theta)
    : half_(head_dim / 2), frequencies_(head_dim / 2) {
  for (std::size_t i = 0; i < half_; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    frequencies_[i] = static_cast<float>(std::pow(theta, -exponent));
  }
}

void RotaryTable::set_positions(std::span<const std::size_t> positions) {
  cosines_.resize(positions.size() * half_);
  sines_.resize(positions.size() * half_);
  for (std::size_t token = 0; token < positions.size(); ++token) {
    for (std::size_t i = 0; i < half_; ++i) {
      // The product is rounded to fp32 as in the reference implementation: at position 4096
      // this changes the angle by up to 2^-12, more than our tolerance on logits allows.
      const float angle = static_cast<float>(positions[token]) * frequencies_[i];
      cosines_[token * half_ + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sines_[token * half_ + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void RotaryTable::rotate(std::size_t token, float* heads, std::size_t num_heads) const {
  const float* cosines = cosines_.data() + token * half_;
  const float* sines = sines_.data() + token * half_;
  for (std::size_t head = 0; head < num_heads; ++head) {
    float* first = heads + head * 2 * half_;
    float* second = first + half_;
    for (std::size_t i = 0; i < half_; ++i) {
      const float x = first[i];
      const float y = second[i];
      first[i] = x * cosines[i] - y * sines[i];
      second[i] = y * cosines[i] + x * sines[i];
    }
  }
}

}  // namespace trine::runtime
