#include "input/sentencepiece_guard.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "input/charsmap_guard.h"
#include "input/unicode.h"
#include "input/vocabulary.h"
#include "input/wire_format.h"

namespace trine::input {
namespace {

/// Longest piece. The library builds its trie of pieces with one call on the stack per byte; 100
/// kB end the program. Trained pieces have 16 characters, runs of spaces up to 50.
constexpr std::size_t kMostPieceBytes = 1024;
/// All pieces together; 256,000 have 2 MB. The library needs some 100 bytes for each of these.
constexpr std::size_t kMostTextBytes = std::size_t{8} << 20;
/// Scores are ranks of merges or logarithms of frequencies. Sums over a text stay finite.
constexpr float kLargestScore = 1e9f;
/// User-defined pieces of which one begins with the other: the library collects them in an array
/// of this size and does not look where it ends.
constexpr std::size_t kMostNestedPieces = 64;
/// Texts that the library encodes on opening to test itself. Trained models have none.
constexpr std::size_t kMostSelfTestBytes = std::size_t{64} << 10;

enum PieceType : std::uint64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

enum ModelType : std::uint64_t { kUnigram = 1, kBpe = 2 };

struct StoredPiece {
  std::string_view text{};
  std::uint64_t type = kNormal;
};

/// One field that the library reads. Others are passed over, as the library passes over them.
struct KnownField {
  std::uint32_t number = 0;
  WireType type = WireType::kBytes;
  const char* name = "";
  bool repeated = false;
};

constexpr KnownField kModelFields[] = {{1, WireType::kBytes, "pieces", true},
                                       {2, WireType::kBytes, "trainer_spec"},
                                       {3, WireType::kBytes, "normalizer_spec"},
                                       {4, WireType::kBytes, "self_test_data"},
                                       {5, WireType::kBytes, "denormalizer_spec"}};
constexpr KnownField kPieceFields[] = {{1, WireType::kBytes, "piece"},
                                       {2, WireType::kFixed32, "score"},
                                       {3, WireType::kVarint, "type"}};
constexpr KnownField kTrainerFields[] = {{3, WireType::kVarint, "model_type"},
                                         {24, WireType::kVarint, "treat_whitespace_as_suffix"},
                                         {35, WireType::kVarint, "byte_fallback"},
                                         {45, WireType::kBytes, "unk_piece"},
                                         {46, WireType::kBytes, "bos_piece"},
                                         {47, WireType::kBytes, "eos_piece"},
                                         {48, WireType::kBytes, "pad_piece"}};
constexpr KnownField kNormalizerFields[] = {{2, WireType::kBytes, "precompiled_charsmap"},
                                            {3, WireType::kVarint, "add_dummy_prefix"},
                                            {4, WireType::kVarint, "remove_extra_whitespaces"},
                                            {5, WireType::kVarint, "escape_whitespaces"}};

/// Calls `visit` for each known field of a message. A field of the wrong type is refused, and so
/// is a second one where one belongs: which of them counts is not for us to guess.
Status walk(std::string_view message, std::string_view place,
            std::span<const KnownField> known_fields,
            const std::function<Status(const WireField&)>& visit) {
  WireReader reader(message);
  std::uint32_t seen = 0;
  while (true) {
    const auto field = reader.next();
    if (!field) return fail(field.error().code, "{}: {}", place, field.error().message);
    if (!*field) return {};
    const auto known =
        std::find_if(known_fields.begin(), known_fields.end(),
                     [&](const KnownField& one) { return one.number == (*field)->number; });
    if (known == known_fields.end()) continue;
    if ((*field)->type != known->type) {
      return fail(ErrorCode::kMalformed, "{}.{} has wire type {}, expected {}", place,
                  known->name, static_cast<int>((*field)->type), static_cast<int>(known->type));
    }
    const std::uint32_t bit = 1u << (known - known_fields.begin());
    if (!known->repeated && (seen & bit) != 0) {
      return fail(ErrorCode::kMalformed, "{}.{} is there twice", place, known->name);
    }
    seen |= bit;
    TRINE_RETURN_IF_ERROR(visit(**field));
  }
}

/// The checks of one model, in the order of its fields; then those of all pieces together.
class Guard {
 public:
  Status check_model(std::string_view bytes) {
    TRINE_RETURN_IF_ERROR(walk(bytes, "model", kModelFields, [this](const WireField& field) {
      switch (field.number) {
        case 1: return add_piece(field.bytes);
        case 2: return read_trainer(field.bytes);
        case 4: return check_self_test(field.bytes);
        default: return check_normalizer(field.bytes);
      }
    }));
    TRINE_RETURN_IF_ERROR(check_unknown());
    TRINE_RETURN_IF_ERROR(check_controls());
    return check_nested_pieces();
  }

  [[nodiscard]] std::uint64_t model_type() const noexcept { return model_type_; }

 private:
  Status add_piece(std::string_view message) {
    if (pieces_.size() == static_cast<std::size_t>(kMaxVocabulary)) {
      return fail(ErrorCode::kMalformed, "more than {} pieces", kMaxVocabulary);
    }
    StoredPiece piece;
    float score = 0.0f;
    const std::string place = fmt::format("pieces[{}]", pieces_.size());
    TRINE_RETURN_IF_ERROR(walk(message, place, kPieceFields, [&](const WireField& field) {
      if (field.number == 1) piece.text = field.bytes;
      if (field.number == 2) {
        score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
      }
      if (field.number == 3) piece.type = field.value;
      return Status{};
    }));
    total_text_bytes_ += piece.text.size();
    const bool is_text = !piece.text.empty() && piece.text.size() <= kMostPieceBytes &&
                         piece.text.find('\0') == std::string_view::npos &&
                         is_valid_utf8(piece.text);
    if (!is_text || total_text_bytes_ > kMostTextBytes) {
      return fail(
          ErrorCode::kMalformed,
          "{}.piece has {} bytes, expected 1 to {} bytes of UTF-8 without zeros, and at "
          "most {} in all pieces",
          place, piece.text.size(), kMostPieceBytes, kMostTextBytes);
    }
    if (!(std::fabs(score) <= kLargestScore)) {  // so that NaN is refused
      return fail(ErrorCode::kMalformed, "{}.score is {}, expected a number up to {}", place,
                  score, kLargestScore);
    }
    if (piece.type < kNormal || piece.type > kByte) {
      return fail(ErrorCode::kMalformed, "{}.type is {}, expected 1 to 6", place, piece.type);
    }
    pieces_.push_back(piece);
    return {};
  }

  Status read_trainer(std::string_view message) {
    return walk(message, "trainer_spec", kTrainerFields, [this](const WireField& field) {
      if (field.number == 3) model_type_ = field.value;
      return Status{};
    });
  }

  static Status check_self_test(std::string_view message) {
    if (message.size() <= kMostSelfTestBytes) return {};
    return fail(ErrorCode::kMalformed, "self_test_data has {} bytes, expected at most {}",
                message.size(), kMostSelfTestBytes);
  }

  static Status check_normalizer(std::string_view message) {
    const std::string_view place = "normalizer_spec";
    return walk(message, place, kNormalizerFields, [&](const WireField& field) -> Status {
      if (field.number != 2) return {};
      const Status rules = check_charsmap(field.bytes);
      if (rules) return {};
      return fail(rules.error().code, "{}.precompiled_charsmap has {}", place,
                  rules.error().message);
    });
  }

  [[nodiscard]] Status check_unknown() const {
    const auto count =
        std::count_if(pieces_.begin(), pieces_.end(),
                      [](const StoredPiece& piece) { return piece.type == kUnknown; });
    if (count == 1) return {};
    return fail(ErrorCode::kMalformed, "{} of {} pieces are of type UNKNOWN, expected one",
                count, pieces_.size());
  }

  /// A control piece stands for no text. Where the library finds one for text all the same, it
  /// loses count of its characters: when it is also a piece of text or (in BPE, which begins with
  /// characters) one character.
  [[nodiscard]] Status check_controls() const {
    std::unordered_set<std::string_view> controls;
    for (const StoredPiece& piece : pieces_) {
      if (piece.type != kControl) continue;
      controls.insert(piece.text);
      if (model_type_ == kBpe && read_utf8(piece.text).length == piece.text.size()) {
        return fail(ErrorCode::kMalformed, "control piece \"{}\" is a single character",
                    piece.text);
      }
    }
    for (const StoredPiece& piece : pieces_) {
      if (piece.type == kControl || !controls.contains(piece.text)) continue;
      return fail(ErrorCode::kMalformed, "piece \"{}\" is there twice, once of type CONTROL",
                  piece.text);
    }
    return {};
  }

  [[nodiscard]] Status check_nested_pieces() const {
    std::vector<std::string_view> texts;
    for (const StoredPiece& piece : pieces_) {
      if (piece.type == kUserDefined) texts.push_back(piece.text);
    }
    std::sort(texts.begin(), texts.end());
    std::vector<std::string_view> beginnings;  // of the text at hand, the longest last
    for (const std::string_view text : texts) {
      while (!beginnings.empty() && !text.starts_with(beginnings.back())) beginnings.pop_back();
      beginnings.push_back(text);
      if (beginnings.size() > kMostNestedPieces) {
        return fail(ErrorCode::kMalformed,
                    "more than {} user-defined pieces begin with one another",
                    kMostNestedPieces);
      }
    }
    return {};
  }

  std::vector<StoredPiece> pieces_{};
  std::size_t total_text_bytes_ = 0;
  std::uint64_t model_type_ = kUnigram;  ///< what a model that is silent about it is
};

}  // namespace

Status check_sentencepiece_model(std::string_view bytes, std::string_view name) {
  Guard guard;
  const Status checked = guard.check_model(bytes);
  if (!checked) {
    return fail(checked.error().code, "{}: not a SentencePiece model: {}", name,
                checked.error().message);
  }
  if (guard.model_type() != kUnigram && guard.model_type() != kBpe) {
    return fail(ErrorCode::kUnsupported,
                "{}: trainer_spec.model_type is {}, expected 1 (Unigram) or 2 (BPE)", name,
                guard.model_type());
  }
  return {};
}

}  // namespace trine::input
