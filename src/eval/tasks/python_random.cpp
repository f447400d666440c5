#include "eval/tasks/python_random.h"

#include <array>
#include <bit>
#include <sstream>
#include <unordered_set>

#include "base/result.h"

namespace trine::eval {
namespace {

constexpr std::size_t kWords = 624;

/// The state init_by_array leaves for a key of one word (the reference code of the paper's
/// authors, mt19937ar).
std::array<std::uint32_t, kWords> state_of(std::uint32_t seed) {
  std::array<std::uint32_t, kWords> state{};
  state[0] = 19650218u;
  for (std::uint32_t i = 1; i < kWords; ++i) {
    state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  }
  std::size_t i = 1;
  const auto step = [&] {
    if (++i == kWords) {
      state[0] = state[kWords - 1];
      i = 1;
    }
  };
  for (std::size_t k = 0; k < kWords; ++k) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + seed;
    step();
  }
  for (std::size_t k = 0; k < kWords - 1; ++k) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) -
               static_cast<std::uint32_t>(i);
    step();
  }
  state[0] = 0x80000000u;
  return state;
}

}  // namespace

PythonRandom::PythonRandom(std::uint32_t seed) {
  // The standard library's engine takes a whole state only as text: its words and, in this
  // library, the place of the next draw. 624: the first draw renews the state.
  std::stringstream text;
  for (const std::uint32_t word : state_of(seed)) text << word << ' ';
  text << kWords;
  text >> engine_;
  check(!text.fail(), "the state of a random number generator is no state");
}

std::uint32_t PythonRandom::next() { return static_cast<std::uint32_t>(engine_()); }

std::size_t PythonRandom::below(std::size_t bound) {
  const int bits = std::bit_width(bound);
  check(bits >= 1 && bits <= 32, "a draw below a bound outside 1 to 2^32 − 1");
  std::size_t drawn = 0;
  do {
    drawn = next() >> (32 - bits);
  } while (drawn >= bound);
  return drawn;
}

std::vector<std::size_t> PythonRandom::sample(std::size_t population, std::size_t count) {
  check(count <= population, "more draws than there are things to draw");
  // Python keeps a list of what is left where that is smaller than a set of what was drawn:
  // 21 + 4^⌈log₄ 3·count⌉, the second term above five draws.
  std::size_t set_size = 21;
  if (count > 5) {
    std::size_t table = 1;
    while (table < 3 * count) table *= 4;
    set_size += table;
  }
  std::vector<std::size_t> drawn;
  if (population <= set_size) {
    std::vector<std::size_t> left(population);
    for (std::size_t i = 0; i < population; ++i) left[i] = i;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = below(population - i);
      drawn.push_back(left[at]);
      left[at] = left[population - i - 1];
    }
    return drawn;
  }
  std::unordered_set<std::size_t> seen;
  while (drawn.size() < count) {
    const std::size_t at = below(population);
    if (seen.insert(at).second) drawn.push_back(at);
  }
  return drawn;
}

}  // namespace trine::eval
