#include "stored_mixture.h"

#include <algorithm>
#include <cmath>

namespace trine::examples {

Basis random_basis(base::Random& random) {
  Basis basis(kTokens);
  for (std::size_t token = 0; token < kTokens; ++token) {
    auto& row = basis[token];
    for (double& value : row) value = random.normal();
    for (std::size_t other = 0; other < token; ++other) {
      double product = 0.0;
      for (std::size_t i = 0; i < kTokens; ++i) product += row[i] * basis[other][i];
      for (std::size_t i = 0; i < kTokens; ++i) row[i] -= product * basis[other][i];
    }
    double squares = 0.0;
    for (const double value : row) squares += value * value;
    for (double& value : row) value /= std::sqrt(squares);
  }
  return basis;
}

StoredMixture::StoredMixture(const Mixture& mixture, Basis basis) : basis_(std::move(basis)) {
  for (const auto& weights : mixture.weights) {
    auto& rows = experts_.emplace_back(kNeurons);
    for (std::size_t neuron = 0; neuron < kNeurons; ++neuron) {
      for (std::size_t token = 0; token < kTokens; ++token) {
        const double weight = weights[neuron * kTokens + token];
        for (std::size_t i = 0; i < kTokens; ++i) {
          rows[neuron][i] += weight * basis_[token][i];
        }
      }
    }
  }
}

std::vector<double> StoredMixture::max_variances() const {
  std::vector<double> result;
  for (const auto& rows : experts_) {
    double largest = 0.0;
    for (const auto& row : rows) {
      double sum = 0.0, squares = 0.0;
      for (const double weight : row) sum += weight, squares += weight * weight;
      const double mean = sum / kTokens;
      largest = std::max(largest, squares / kTokens - mean * mean);
    }
    result.push_back(largest);
  }
  return result;
}

const Rounded& StoredMixture::rounded(std::size_t expert, int bits) {
  const auto [place, is_new] = rounded_.try_emplace({expert, bits});
  Rounded& result = place->second;
  for (std::size_t neuron = 0; is_new && neuron < kNeurons; ++neuron) {
    auto row = experts_[expert][neuron];
    const auto [low, high] = std::minmax_element(row.begin(), row.end());
    const double first = *low, step = (*high - *low) / (std::exp2(bits) - 1.0);
    for (double& weight : row) {
      weight = first + step * std::nearbyint((weight - first) / step);
    }
    for (std::size_t token = 0; token < kTokens; ++token) {
      double sum = 0.0, length = 0.0;
      for (std::size_t i = 0; i < kTokens; ++i) {
        sum += row[i] * basis_[token][i];
        length += std::fabs(basis_[token][i]);
      }
      result.outputs[token] += output_weight(neuron) * std::max(sum, 0.0);
      result.bounds[token] += std::fabs(output_weight(neuron)) * 0.5 * step * length;
    }
  }
  return result;
}

}  // namespace trine::examples
