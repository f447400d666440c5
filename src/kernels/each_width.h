// From a width known when a call comes to one known when the kernel is compiled.
#pragma once

#include <type_traits>

namespace trine::kernels {

/// Calls function(std::integral_constant<int, bits>), bits being a width of the packed format.
template <class Function>
void with_width(int bits, Function function) noexcept {
  switch (bits) {
    case 2: return function(std::integral_constant<int, 2>{});
    case 3: return function(std::integral_constant<int, 3>{});
    case 4: return function(std::integral_constant<int, 4>{});
    case 5: return function(std::integral_constant<int, 5>{});
    case 6: return function(std::integral_constant<int, 6>{});
    default: return function(std::integral_constant<int, 8>{});
  }
}

}  // namespace trine::kernels
