#include "runtime/rope.h"

#include <cmath>

namespace trine::runtime {

std::vector<float> RotaryTable::dynamic_frequencies(std::size_t sequence_length) const {
  const auto dim = static_cast<double>(spec_.rotary_dim);
  const double stretch = spec_.dynamic_factor * static_cast<double>(sequence_length) /
                             static_cast<double>(spec_.original_positions) -
                         (spec_.dynamic_factor - 1.0);
  const double theta = spec_.dynamic_theta * std::pow(stretch, dim / (dim - 2.0));
  std::vector<float> frequencies(spec_.frequencies.size());
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = static_cast<float>(std::pow(theta, -2.0 * static_cast<double>(i) / dim));
  }
  return frequencies;
}

void RotaryTable::set_positions(std::span<const TokenPosition> tokens) {
  const std::size_t half = spec_.frequencies.size();
  cosines_.resize(tokens.size() * half);
  sines_.resize(tokens.size() * half);
  std::vector<float> dynamic;
  std::size_t dynamic_length = 0;
  for (std::size_t token = 0; token < tokens.size(); ++token) {
    const std::size_t length = tokens[token].sequence_length;
    const bool is_long = spec_.original_positions > 0 && length > spec_.original_positions;
    const std::vector<float>* frequencies = &spec_.frequencies;
    float factor = spec_.attention_factor;
    if (is_long && spec_.dynamic_theta > 0.0) {
      if (length != dynamic_length) dynamic = dynamic_frequencies(length);
      dynamic_length = length;
      frequencies = &dynamic;
    } else if (is_long && !spec_.long_frequencies.empty()) {
      frequencies = &spec_.long_frequencies;
      factor = spec_.long_attention_factor;
    }
    for (std::size_t i = 0; i < half; ++i) {
      // The product is rounded to fp32 as in the reference implementation: at position 4096
      // this changes the angle by up to 2^-12, more than our tolerance on logits allows.
      const float angle = static_cast<float>(tokens[token].position) * (*frequencies)[i];
      const auto wide = static_cast<double>(angle);
      cosines_[token * half + i] = static_cast<float>(std::cos(wide)) * factor;
      sines_[token * half + i] = static_cast<float>(std::sin(wide)) * factor;
    }
  }
}

void RotaryTable::rotate(std::size_t token, float* heads, std::size_t count,
                         std::size_t stride) const {
  const std::size_t half = spec_.frequencies.size();
  const float* cosines = cosines_.data() + token * half;
  const float* sines = sines_.data() + token * half;
  const std::size_t step = spec_.is_interleaved ? 2 : 1;        // between pairs
  const std::size_t partner = spec_.is_interleaved ? 1 : half;  // within a pair
  for (std::size_t head = 0; head < count; ++head) {
    for (std::size_t i = 0; i < half; ++i) {
      float* first = heads + head * stride + i * step;
      float* second = first + partner;
      const float x = *first;
      const float y = *second;
      *first = x * cosines[i] - y * sines[i];
      *second = y * cosines[i] + x * sines[i];
    }
  }
}

}  // namespace trine::runtime
