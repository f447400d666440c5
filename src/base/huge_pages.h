// Large pages for large memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trine::base {

/// Asks for pages of 2 MiB, a hint, for what of these bytes has whole ones. Before the first use:
/// 59 MB in pages of 4 KiB cost 15 000 interruptions, a tenth of a second.
void advise_huge_pages(void* memory, std::size_t bytes) noexcept;

/// values.resize(size), in large pages when there is not memory enough yet.
template <class Value>
void resize_in_huge_pages(std::vector<Value>& values, std::size_t size) {
  if (size > values.capacity()) {
    values.clear();  // so that nothing is moved
    values.reserve(size);
    advise_huge_pages(values.data(), size * sizeof(Value));
  }
  values.resize(size);
}

}  // namespace trine::base
