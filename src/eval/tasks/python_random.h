// Draws as Python's random.Random makes them: few-shot examples must be the ones lm_eval draws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <random>

namespace trine::eval {

/// random.Random(seed) of CPython: MT19937 (Matsumoto and Nishimura 1998), seeded through
/// init_by_array with the one word of the seed.
class PythonRandom {
 public:
  explicit PythonRandom(std::uint32_t seed);

  /// Random.sample(range(population), count). `count` is at most `population`.
  [[nodiscard]] std::vector<std::size_t> sample(std::size_t population, std::size_t count);

  /// getrandbits(32).
  [[nodiscard]] std::uint32_t next();

 private:
  /// Uniform in [0, bound): as many bits as the bound has, drawn until below it.
  [[nodiscard]] std::size_t below(std::size_t bound);

  std::mt19937 engine_;
};

}  // namespace trine::eval
