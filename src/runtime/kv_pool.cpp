#include "runtime/kv_pool.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace trine::runtime {
namespace {

constexpr float kMostFp16 = 65504.0f;
constexpr float kMostInt8 = 127.0f;

std::size_t element_bytes(KvFormat format) {
  if (format == KvFormat::kFp32) return sizeof(float);
  return format == KvFormat::kFp16 ? 2 : 1;
}

/// One head of one layer: kPageTokens rows, then their scales.
std::size_t bytes_of_head(KvFormat format, std::size_t width) {
  const std::size_t scales = format == KvFormat::kInt8 ? sizeof(float) : 0;
  return kPageTokens * (width * element_bytes(format) + scales);
}

}  // namespace

std::uint64_t page_key(std::uint64_t parent, std::span<const std::int32_t> token_ids) noexcept {
  std::uint64_t hash = parent * 0x9E3779B97F4A7C15u;
  for (const std::int32_t token : token_ids) {
    hash = (hash ^ static_cast<std::uint32_t>(token)) * 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 29;
  }
  return hash;
}

Result<KvFormat> kv_format_named(std::string_view name) {
  if (name == "fp32") return KvFormat::kFp32;
  if (name == "fp16") return KvFormat::kFp16;
  if (name == "int8") return KvFormat::kInt8;
  return fail(ErrorCode::kInvalidArgument,
              "the KV cache is \"{}\", expected fp32, fp16 or int8", name);
}

std::size_t KvPool::page_bytes(const ModelSpec& spec, KvFormat format) {
  return spec.layers.size() * spec.num_key_value_heads *
         (bytes_of_head(format, spec.head_dim) + bytes_of_head(format, spec.v_head_dim));
}

KvPool::KvPool(const ModelSpec& spec, KvFormat format, std::size_t num_pages)
    : format_(format),
      num_heads_(spec.num_key_value_heads),
      key_width_(spec.head_dim),
      value_width_(spec.v_head_dim),
      page_bytes_(page_bytes(spec, format)),
      memory_(std::make_unique_for_overwrite<std::uint8_t[]>(page_bytes_ * num_pages)),
      pages_(num_pages) {
  for (std::size_t i = num_pages; i > 0; --i) empty_.push_back(static_cast<PageIndex>(i - 1));
}

std::size_t KvPool::head_bytes(std::size_t width) const noexcept {
  return bytes_of_head(format_, width);
}

KvPool::Plane KvPool::keys_of(std::size_t layer) const noexcept {
  const std::size_t layer_bytes =
      num_heads_ * (head_bytes(key_width_) + head_bytes(value_width_));
  return {layer * layer_bytes, key_width_};
}

KvPool::Plane KvPool::values_of(std::size_t layer) const noexcept {
  return {keys_of(layer).offset + num_heads_ * head_bytes(key_width_), value_width_};
}

std::optional<PageIndex> KvPool::take() {
  if (empty_.empty()) {
    if (idle_.empty()) return std::nullopt;
    forget(idle_.front());
  }
  const PageIndex page = empty_.back();
  empty_.pop_back();
  pages_[page].holders = 1;
  return page;
}

/// An idle page loses its content.
void KvPool::forget(PageIndex page) {
  Page& forgotten = pages_[page];
  const auto [first, last] = published_.equal_range(forgotten.key);
  published_.erase(
      std::find_if(first, last, [page](const auto& entry) { return entry.second == page; }));
  idle_.erase(forgotten.idle_place);
  forgotten.serial = 0;
  empty_.push_back(page);
}

void KvPool::share(PageIndex page) {
  if (pages_[page].holders++ == 0) idle_.erase(pages_[page].idle_place);
}

void KvPool::release(PageIndex page) {
  Page& released = pages_[page];
  check(released.holders > 0, "KvPool::release: nobody holds the page");
  if (--released.holders > 0) return;
  if (released.serial == 0) {
    empty_.push_back(page);
  } else {
    released.idle_place = idle_.insert(idle_.end(), page);
  }
}

std::optional<CachedPage> KvPool::find(std::uint64_t parent,
                                       std::span<const std::int32_t> token_ids) const {
  const auto [first, last] = published_.equal_range(page_key(parent, token_ids));
  for (auto entry = first; entry != last; ++entry) {
    const Page& page = pages_[entry->second];
    if (page.parent == parent && std::ranges::equal(page.token_ids, token_ids)) {
      return CachedPage{entry->second, page.serial};
    }
  }
  return std::nullopt;
}

std::uint64_t KvPool::publish(PageIndex page, std::uint64_t parent,
                              std::span<const std::int32_t> token_ids) {
  if (const auto twin = find(parent, token_ids)) return twin->serial;
  Page& published = pages_[page];
  published.serial = next_serial_++;
  published.parent = parent;
  published.key = page_key(parent, token_ids);
  std::ranges::copy(token_ids, published.token_ids.begin());
  published_.emplace(published.key, page);
  return published.serial;
}

void KvPool::write_plane(const kernels::KernelTable& table, std::uint8_t* plane,
                         std::size_t width, std::size_t slot, const float* rows) {
  for (std::size_t head = 0; head < num_heads_; ++head) {
    const float* row = rows + head * width;
    std::uint8_t* target = plane + head * head_bytes(width);
    if (format_ == KvFormat::kFp32) {
      const std::size_t row_bytes = width * sizeof(float);
      std::memcpy(target + slot * row_bytes, row, row_bytes);
      continue;
    }
    if (format_ == KvFormat::kFp16) {
      std::uint8_t* place = target + slot * width * 2;
      const bool fits = std::all_of(row, row + width,
                                    [](float value) { return std::abs(value) <= kMostFp16; });
      if (fits) {
        table.narrow_f16(row, place, width);
        continue;
      }
      for (std::size_t i = 0; i < width; ++i) {
        const float limited = std::clamp(row[i], -kMostFp16, kMostFp16);
        table.narrow_f16(&limited, place + 2 * i, 1);
      }
      continue;
    }
    float most = 0.0f;
    for (std::size_t i = 0; i < width; ++i) most = std::max(most, std::abs(row[i]));
    const float scale = most / kMostInt8;
    const float inverse = most > 0.0f ? kMostInt8 / most : 0.0f;
    for (std::size_t i = 0; i < width; ++i) {
      const float code = std::clamp(std::nearbyint(row[i] * inverse), -kMostInt8, kMostInt8);
      const auto stored = static_cast<std::int8_t>(std::isnan(code) ? 0.0f : code);
      target[slot * width + i] = static_cast<std::uint8_t>(stored);
    }
    std::memcpy(target + kPageTokens * width + slot * sizeof scale, &scale, sizeof scale);
  }
}

void KvPool::read_plane(const kernels::KernelTable& table, const std::uint8_t* plane,
                        std::size_t width, std::size_t head, std::size_t count,
                        float* target) const {
  const std::uint8_t* source = plane + head * head_bytes(width);
  if (format_ == KvFormat::kFp32) {
    std::memcpy(target, source, count * width * sizeof(float));
    return;
  }
  if (format_ == KvFormat::kFp16) return table.widen_f16(source, target, count * width);
  for (std::size_t slot = 0; slot < count; ++slot) {
    float scale = 0.0f;
    std::memcpy(&scale, source + kPageTokens * width + slot * sizeof scale, sizeof scale);
    for (std::size_t i = 0; i < width; ++i) {
      const auto code = static_cast<std::int8_t>(source[slot * width + i]);
      target[slot * width + i] = scale * static_cast<float>(code);
    }
  }
}

void KvPool::write(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
                   std::size_t slot, const float* keys, const float* values) {
  std::uint8_t* base = memory_.get() + page * page_bytes_;
  write_plane(table, base + keys_of(layer).offset, key_width_, slot, keys);
  write_plane(table, base + values_of(layer).offset, value_width_, slot, values);
}

void KvPool::read_keys(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
                       std::size_t head, std::size_t count, float* target) const {
  const std::uint8_t* base = memory_.get() + page * page_bytes_;
  read_plane(table, base + keys_of(layer).offset, key_width_, head, count, target);
}

void KvPool::read_values(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
                         std::size_t head, std::size_t count, float* target) const {
  const std::uint8_t* base = memory_.get() + page * page_bytes_;
  read_plane(table, base + values_of(layer).offset, value_width_, head, count, target);
}

PageTable::PageTable(PageTable&& other) noexcept
    : pool_(other.pool_),
      pages_(std::exchange(other.pages_, {})),
      num_published_(std::exchange(other.num_published_, 0)),
      last_serial_(std::exchange(other.last_serial_, 0)) {}

std::size_t PageTable::missing(std::size_t num_tokens) const noexcept {
  const std::size_t needed = (num_tokens + kPageTokens - 1) / kPageTokens;
  return needed > pages_.size() ? needed - pages_.size() : 0;
}

bool PageTable::reserve(std::size_t num_tokens) {
  const std::size_t count = missing(num_tokens);
  if (count > pool_->available_pages()) return false;
  for (std::size_t i = 0; i < count; ++i) pages_.push_back(*pool_->take());
  return true;
}

std::size_t PageTable::adopt(std::span<const std::int32_t> token_ids) {
  // Pages that were reserved but not filled would be in the way.
  while (pages_.size() > num_published_) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
  while ((num_published_ + 1) * kPageTokens <= token_ids.size()) {
    const auto found =
        pool_->find(last_serial_, token_ids.subspan(num_published_ * kPageTokens, kPageTokens));
    if (!found) break;
    pool_->share(found->page);
    pages_.push_back(found->page);
    last_serial_ = found->serial;
    ++num_published_;
  }
  return num_published_ * kPageTokens;
}

void PageTable::publish(std::span<const std::int32_t> token_ids) {
  while ((num_published_ + 1) * kPageTokens <= token_ids.size()) {
    last_serial_ = pool_->publish(pages_[num_published_], last_serial_,
                                  token_ids.subspan(num_published_ * kPageTokens, kPageTokens));
    ++num_published_;
  }
}

void PageTable::clear() {
  // The end of a sequence is the first to be forgotten: it is the least likely to be shared.
  while (!pages_.empty()) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
  num_published_ = 0;
  last_serial_ = 0;
}

}  // namespace trine::runtime
