#include "base/safetensors_file.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace trine::base {
namespace {

constexpr std::size_t kLengthBytes = 8;

/// The header's length from the first bytes of `file`, checked against the file and the cap.
Result<std::size_t> header_length(std::span<const std::uint8_t> file, const std::string& name) {
  if (file.size() < kLengthBytes) {
    return fail(ErrorCode::kMalformed,
                "{}: {} bytes long, expected at least the {} of the header length", name,
                file.size(), kLengthBytes);
  }
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | file[i];
  if (length > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kMalformed, "{}: a header of {} bytes, expected at most {}", name,
                length, kMaxSafetensorsHeaderBytes);
  }
  if (length > file.size() - kLengthBytes) {
    return fail(ErrorCode::kMalformed, "{}: a header of {} bytes, but the file has {} after {}",
                name, length, file.size() - kLengthBytes, kLengthBytes);
  }
  return length;
}

}  // namespace

SafetensorsFile::SafetensorsFile(MappedFile file, SafetensorsHeader header,
                                 std::span<const std::uint8_t> data)
    : file_(std::move(file)),
      header_(std::move(header)),
      data_(data),
      by_name_(header_.tensors.size()) {
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::sort(by_name_.begin(), by_name_.end(), [this](std::size_t left, std::size_t right) {
    return header_.tensors[left].name < header_.tensors[right].name;
  });
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  TRINE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  TRINE_ASSIGN_OR_RETURN(const std::size_t length, header_length(bytes, path.string()));
  const auto text = bytes.subspan(kLengthBytes, length);
  const auto data = bytes.subspan(kLengthBytes + length);
  TRINE_ASSIGN_OR_RETURN(
      SafetensorsHeader header,
      parse_safetensors_header({reinterpret_cast<const char*>(text.data()), text.size()},
                               data.size(), path.string()));
  return SafetensorsFile(std::move(file), std::move(header), data);
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::size_t index, std::string_view wanted) {
                                        return header_.tensors[index].name < wanted;
                                      });
  if (found == by_name_.end() || header_.tensors[*found].name != name) return nullptr;
  return &header_.tensors[*found];
}

}  // namespace trine::base
