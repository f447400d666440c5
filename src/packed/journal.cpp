#include "packed/journal.h"

#include <system_error>

#include "base/atomic_directory.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "packed/manifest.h"

namespace trine::packed {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxJournalBytes = 1u << 30;  // 10^5 matrices of some kB
constexpr double kMost = 1e300;

fs::path previous_of(const fs::path& target) {
  return base::AtomicDirectory::partial_of(target).replace_extension(".previous");
}

base::Json to_json(const FinishedMatrix& matrix) {
  base::Json pieces = base::Json::array();
  for (const StoredPiece& piece : matrix.pieces) {
    pieces.push_back({{"file", piece.file},
                      {"offset", piece.offset},
                      {"bytes", piece.bytes},
                      {"xxh3", piece.xxh3}});
  }
  return {{"matrix", matrix.name},
          {"key", matrix.key},
          {"pieces", std::move(pieces)},
          {"squared_error", matrix.squared_error},
          {"squared_norm", matrix.squared_norm},
          {"nonfinite", matrix.nonfinite},
          {"trace", matrix.trace}};
}

Result<FinishedMatrix> parse_line(std::string_view line) {
  TRINE_ASSIGN_OR_RETURN(const base::Json json, base::parse_json(line, Journal::kFile));
  const base::JsonFields fields(json, Journal::kFile);
  FinishedMatrix matrix;
  TRINE_ASSIGN_OR_RETURN(matrix.name, fields.string("matrix"));
  TRINE_ASSIGN_OR_RETURN(matrix.key, fields.string("key"));
  TRINE_ASSIGN_OR_RETURN(matrix.squared_error, fields.number("squared_error", 0.0, kMost));
  TRINE_ASSIGN_OR_RETURN(matrix.squared_norm, fields.number("squared_norm", 0.0, kMost));
  TRINE_ASSIGN_OR_RETURN(const auto nonfinite, fields.integer("nonfinite", 0, kMostBytes));
  matrix.nonfinite = static_cast<std::uint64_t>(nonfinite);
  for (const char* list : {"pieces", "trace"}) {
    if (!json.contains(list) || !json[list].is_array()) {
      return fail(ErrorCode::kMalformed, "{}: {} is missing or no array", Journal::kFile, list);
    }
  }
  for (const base::Json& entry : json["pieces"]) {
    const base::JsonFields piece_fields(entry, Journal::kFile);
    StoredPiece piece;
    TRINE_ASSIGN_OR_RETURN(piece.file, piece_fields.string("file"));
    TRINE_ASSIGN_OR_RETURN(piece.xxh3, piece_fields.string("xxh3"));
    TRINE_ASSIGN_OR_RETURN(const auto offset, piece_fields.integer("offset", 0, kMostBytes));
    TRINE_ASSIGN_OR_RETURN(const auto bytes, piece_fields.integer("bytes", 0, kMostBytes));
    piece.offset = static_cast<std::uint64_t>(offset);
    piece.bytes = static_cast<std::uint64_t>(bytes);
    matrix.pieces.push_back(std::move(piece));
  }
  for (const base::Json& value : json["trace"]) {
    if (!value.is_number()) {
      return fail(ErrorCode::kMalformed, "{}: a trace without numbers", Journal::kFile);
    }
    matrix.trace.push_back(value.get<double>());
  }
  return matrix;
}

/// The lines up to the first that was not written whole.
std::map<std::string, FinishedMatrix> read_journal(const fs::path& directory) {
  std::map<std::string, FinishedMatrix> matrices;
  const auto text = base::read_text_file(directory / Journal::kFile, kMaxJournalBytes);
  if (!text) return matrices;
  std::size_t begin = 0;
  for (std::size_t end; (end = text->find('\n', begin)) != std::string::npos; begin = end + 1) {
    auto matrix = parse_line(std::string_view(*text).substr(begin, end - begin));
    if (!matrix) break;
    matrices[matrix->name] = std::move(*matrix);
  }
  return matrices;
}

/// A piece from the shard under its final name or the one it has while it is written.
std::optional<std::vector<std::uint8_t>> read_piece(const fs::path& directory,
                                                    const StoredPiece& piece) {
  // A journal names files beside itself and nothing else.
  if (fs::path(piece.file).filename() != piece.file) return {};
  for (const std::string& file : {piece.file, piece.file + ".partial"}) {
    std::error_code error;
    const auto size = fs::file_size(directory / file, error);
    if (error || size < piece.offset || size - piece.offset < piece.bytes) continue;
    std::ifstream stream(directory / file, std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(piece.offset));
    std::vector<std::uint8_t> bytes(piece.bytes);
    stream.read(reinterpret_cast<char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
    if (stream && base::to_hex(base::xxh3(bytes)) == piece.xxh3) return bytes;
  }
  return {};
}

/// How much of `newer` is work that `older` holds as well.
struct Overlap {
  std::size_t shared = 0;
  bool is_all = false;
};
Overlap overlap_of(const std::map<std::string, FinishedMatrix>& newer,
                   const std::map<std::string, FinishedMatrix>& older) {
  Overlap overlap;
  for (const auto& [name, matrix] : newer) {
    const auto found = older.find(name);
    overlap.shared += found != older.end() && found->second.key == matrix.key ? 1 : 0;
  }
  overlap.is_all = overlap.shared == newer.size();
  return overlap;
}

}  // namespace

Result<Journal> Journal::create(const fs::path& directory) {
  Journal journal(directory / kFile);
  journal.file_.open(journal.path_, std::ios::binary | std::ios::trunc);
  if (!journal.file_) {
    return fail(ErrorCode::kIo, "{}: cannot create the journal", journal.path_.string());
  }
  return journal;
}

Status Journal::add(const FinishedMatrix& matrix) {
  file_ << to_json(matrix).dump() << '\n' << std::flush;
  if (file_) return {};
  return fail(ErrorCode::kIo, "{}: cannot write the journal", path_.string());
}

Status Journal::remove() {
  file_.close();
  std::error_code error;
  fs::remove(path_, error);
  if (error) {
    return fail(ErrorCode::kIo, "{}: cannot remove: {}", path_.string(), error.message());
  }
  return {};
}

Result<EarlierRun> EarlierRun::take(const fs::path& target) {
  const fs::path partial = base::AtomicDirectory::partial_of(target);
  const fs::path previous = previous_of(target);
  EarlierRun run;
  run.directory_ = previous;
  run.matrices_ = read_journal(previous);
  auto newer = read_journal(partial);
  std::error_code error;
  // A resumed run that was killed has copied some of the older one's matrices and done few of its
  // own: then the older one is worth more. A run of another plan shares nothing with it.
  const Overlap overlap = overlap_of(newer, run.matrices_);
  const bool is_of_same_plan = overlap.shared > 0;
  if (overlap.is_all || (is_of_same_plan && newer.size() < run.matrices_.size())) {
    fs::remove_all(partial, error);
    return run;
  }
  fs::remove_all(previous, error);
  fs::rename(partial, previous, error);
  if (error) {
    return fail(ErrorCode::kIo, "{}: cannot move aside: {}", partial.string(), error.message());
  }
  run.matrices_ = std::move(newer);
  return run;
}

void EarlierRun::discard(const fs::path& target) {
  std::error_code ignored;
  fs::remove_all(previous_of(target), ignored);
}

const FinishedMatrix* EarlierRun::find(const std::string& name, const std::string& key) const {
  const auto found = matrices_.find(name);
  return found != matrices_.end() && found->second.key == key ? &found->second : nullptr;
}

std::optional<std::vector<std::vector<std::uint8_t>>> EarlierRun::read(
    const FinishedMatrix& matrix) const {
  std::vector<std::vector<std::uint8_t>> pieces;
  for (const StoredPiece& piece : matrix.pieces) {
    auto bytes = read_piece(directory_, piece);
    if (!bytes) return {};
    pieces.push_back(std::move(*bytes));
  }
  return pieces;
}

}  // namespace trine::packed
