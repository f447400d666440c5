// Memory for keys and values of many sequences, in pages; pages with the same past are shared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "kernels/kernel_table.h"

namespace trine::runtime {

/// Tokens of one page.
inline constexpr std::size_t kPageTokens = 32;

/// How keys and values are kept. kFp32: as they are. kInt8: one fp32 scale per token and head,
/// largest value / 127.
enum class KvFormat { kFp32, kFp16, kInt8 };

/// "fp32", "fp16" or "int8"; kInvalidArgument for others.
[[nodiscard]] Result<KvFormat> kv_format_named(std::string_view name);

using PageIndex = std::uint32_t;

/// A full page that can be looked up. Serials are never used twice, so a page whose predecessor is
/// gone can never be found by mistake.
struct CachedPage {
  PageIndex page = 0;
  std::uint64_t serial = 0;
};

/// A number for these tokens after the page `parent`; different ones rarely share it.
[[nodiscard]] std::uint64_t page_key(std::uint64_t parent,
                                     std::span<const std::int32_t> token_ids) noexcept;

/// Pages of one model. A page holds kPageTokens tokens of every layer; it is taken by one sequence,
/// written, and once full it may be published under its tokens and all tokens before it: other
/// sequences with the same beginning share it. A page nobody holds keeps its content until the
/// memory is needed; the one unused for longest goes first. One thread at a time.
class KvPool {
 public:
  /// The memory is reserved now and touched when it is written.
  KvPool(const ModelSpec& spec, KvFormat format, std::size_t num_pages);

  /// Bytes of one page of this model.
  [[nodiscard]] static std::size_t page_bytes(const ModelSpec& spec, KvFormat format);

  [[nodiscard]] std::size_t num_pages() const noexcept { return pages_.size(); }
  /// Pages that nobody holds.
  [[nodiscard]] std::size_t available_pages() const noexcept {
    return empty_.size() + idle_.size();
  }

  /// An exclusive page, or nothing when all are held.
  [[nodiscard]] std::optional<PageIndex> take();
  /// One more holder of a page that was found.
  void share(PageIndex page);
  void release(PageIndex page);

  /// The page of these kPageTokens tokens after the page `parent` (0: a beginning).
  [[nodiscard]] std::optional<CachedPage> find(std::uint64_t parent,
                                               std::span<const std::int32_t> token_ids) const;
  /// Makes a full page known. @return the serial its successors name as parent: that of a page
  /// with the same content if there is one already.
  std::uint64_t publish(PageIndex page, std::uint64_t parent,
                        std::span<const std::int32_t> token_ids);

  /// Stores one token's keys [heads · head_dim] and values [heads · v_head_dim] of a layer.
  void write(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
             std::size_t slot, const float* keys, const float* values);

  /// The first `count` tokens of one head as fp32, [count, head_dim] and [count, v_head_dim].
  void read_keys(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
                 std::size_t head, std::size_t count, float* target) const;
  void read_values(const kernels::KernelTable& table, PageIndex page, std::size_t layer,
                   std::size_t head, std::size_t count, float* target) const;

 private:
  struct Page {
    std::size_t holders = 0;
    std::uint64_t serial = 0;  ///< 0: not published
    std::uint64_t parent = 0;
    std::uint64_t key = 0;
    std::array<std::int32_t, kPageTokens> token_ids{};
    std::list<PageIndex>::iterator idle_place{};
  };
  /// Keys or values of one layer.
  struct Plane {
    std::size_t offset = 0;  ///< within the page
    std::size_t width = 0;   ///< of one head
  };

  [[nodiscard]] Plane keys_of(std::size_t layer) const noexcept;
  [[nodiscard]] Plane values_of(std::size_t layer) const noexcept;
  void write_plane(const kernels::KernelTable& table, std::uint8_t* plane, std::size_t width,
                   std::size_t slot, const float* rows);
  void read_plane(const kernels::KernelTable& table, const std::uint8_t* plane,
                  std::size_t width, std::size_t head, std::size_t count, float* target) const;
  [[nodiscard]] std::size_t head_bytes(std::size_t width) const noexcept;
  void forget(PageIndex page);

  KvFormat format_;
  std::size_t num_heads_;
  std::size_t key_width_;
  std::size_t value_width_;
  std::size_t page_bytes_;
  std::unique_ptr<std::uint8_t[]> memory_;
  std::vector<Page> pages_;
  std::vector<PageIndex> empty_{};
  std::list<PageIndex> idle_{};  ///< published, without holders; longest unused first
  std::unordered_multimap<std::uint64_t, PageIndex> published_{};
  std::uint64_t next_serial_ = 1;
};

/// The pages of one sequence, in order. Gives them back when it goes.
class PageTable {
 public:
  explicit PageTable(KvPool& pool) : pool_(&pool) {}
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable&&) = delete;
  ~PageTable() { clear(); }

  [[nodiscard]] KvPool& pool() const noexcept { return *pool_; }
  [[nodiscard]] std::span<const PageIndex> pages() const noexcept { return pages_; }

  /// Room for `num_tokens` tokens in all; false, with nothing changed, when memory is short.
  [[nodiscard]] bool reserve(std::size_t num_tokens);

  /// Pages it lacks for that many tokens.
  [[nodiscard]] std::size_t missing(std::size_t num_tokens) const noexcept;

  /// Takes over the published pages of a beginning of `token_ids` that go on from what is there.
  /// @return tokens now covered; whole pages, all of them published.
  std::size_t adopt(std::span<const std::int32_t> token_ids);

  /// Publishes the full pages among the first tokens of the sequence.
  void publish(std::span<const std::int32_t> token_ids);

  /// Of the last page that is published; together with the next tokens it names the next page.
  [[nodiscard]] std::uint64_t last_serial() const noexcept { return last_serial_; }
  [[nodiscard]] std::size_t num_published() const noexcept { return num_published_; }

  void clear();

 private:
  KvPool* pool_;
  std::vector<PageIndex> pages_{};
  std::size_t num_published_ = 0;
  std::uint64_t last_serial_ = 0;
};

}  // namespace trine::runtime
