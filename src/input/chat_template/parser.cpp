// Statements: what stands between {% and %}.
#include "input/chat_template/parser.h"

#include <algorithm>
#include <array>
#include <utility>

namespace trine::input::chat_template {
namespace {

constexpr std::size_t kMaxBlockDepth = 100;

/// Tags of Jinja that chat templates have no use for: they read other files, or serve HTML.
constexpr std::array<std::string_view, 7> kUnsupportedTags = {
    "extends", "include", "import", "from", "block", "autoescape", "trans"};

}  // namespace

Block Parser::parse_template() {
  Block block = parse_block({});
  if (token().kind != TokenKind::kEnd) refuse_token("the end of the template");
  return block;
}

/// Up to the tag that begins with one of `ends`, whose name is the next token, or to the end of
/// the template when there are none.
Block Parser::parse_block(std::initializer_list<std::string_view> ends) {
  const DepthGuard guard(depth_, kMaxBlockDepth);
  Block block;
  while (token().kind != TokenKind::kEnd) {
    Statement statement{.line = line()};
    if (token().kind == TokenKind::kText) {
      statement.text = take().text;
    } else if (token().kind == TokenKind::kPrintBegin) {
      take();
      statement.kind = StatementKind::kPrint;
      statement.expression = parse_tuple(true);
      expect(TokenKind::kPrintEnd, "}}");
    } else {
      expect(TokenKind::kBlockBegin, "{%");
      const bool ended = std::any_of(ends.begin(), ends.end(),
                                     [this](std::string_view end) { return at_word(end); });
      if (ended) return block;
      statement = parse_statement();
      expect(TokenKind::kBlockEnd, "%}");
    }
    block.push_back(std::move(statement));
  }
  if (ends.size() > 0) refuse("ends where {{% {} %}} is missing", *ends.begin());
  return block;
}

/// From `%}` of the opening tag to the name of the closing one.
std::unique_ptr<Block> Parser::parse_body(std::initializer_list<std::string_view> ends) {
  expect(TokenKind::kBlockEnd, "%}");
  return std::make_unique<Block>(parse_block(ends));
}

Statement Parser::parse_statement() {
  struct Tag {
    std::string_view name;
    StatementKind kind;
    void (Parser::*parse)(Statement&);
  };
  static constexpr std::array kTags = {
      Tag{"for", StatementKind::kFor, &Parser::parse_for},
      Tag{"if", StatementKind::kIf, &Parser::parse_if},
      Tag{"set", StatementKind::kSet, &Parser::parse_set},
      Tag{"macro", StatementKind::kMacro, &Parser::parse_macro},
      Tag{"call", StatementKind::kCallBlock, &Parser::parse_call_block},
      Tag{"filter", StatementKind::kFilterBlock, &Parser::parse_filter_block},
      Tag{"with", StatementKind::kWith, &Parser::parse_with},
  };
  Statement statement{.line = line()};
  if (token().kind != TokenKind::kName) refuse_token("the name of a tag");
  for (const Tag& tag : kTags) {
    if (!skip_word(tag.name)) continue;
    statement.kind = tag.kind;
    (this->*tag.parse)(statement);
    return statement;
  }
  if (skip_word("generation")) {
    statement.kind = StatementKind::kGeneration;
    statement.body = parse_body({"endgeneration"});
    take();
    return statement;
  }
  if (at_word("break") || at_word("continue")) {
    const std::string name = take().text;
    if (loops_ == 0) refuse("has a {} outside of a loop", name);
    statement.kind = name == "break" ? StatementKind::kBreak : StatementKind::kContinue;
    return statement;
  }
  const std::string& name = token().text;
  if (std::find(kUnsupportedTags.begin(), kUnsupportedTags.end(), name) !=
      kUnsupportedTags.end()) {
    unsupported("has a tag {{% {} %}}, which Trine does not know", name);
  }
  refuse("has an unknown tag {{% {} %}}", name);
}

void Parser::parse_for(Statement& statement) {
  statement.target = parse_targets();
  if (!skip_word("in")) refuse_token("in");
  statement.expression = parse_tuple(false);
  if (skip_word("if")) statement.test = parse_expression();
  statement.recursive = skip_word("recursive");
  ++loops_;
  statement.body = parse_body({"endfor", "else"});
  --loops_;
  if (take().text == "else") {
    statement.else_body = parse_body({"endfor"});
    take();
  }
}

void Parser::parse_if(Statement& statement) {
  while (true) {
    Branch branch;
    branch.condition = parse_tuple(false);
    branch.body = parse_body({"endif", "elif", "else"});
    statement.branches.push_back(std::move(branch));
    const std::string next = take().text;
    if (next == "endif") return;
    if (next == "else") break;
  }
  Branch last;
  last.body = parse_body({"endif"});
  take();
  statement.branches.push_back(std::move(last));
}

void Parser::parse_set(Statement& statement) {
  statement.target = parse_targets();
  if (skip_operator("=")) {
    statement.expression = parse_tuple(true);
    return;
  }
  statement.kind = StatementKind::kSetBlock;
  if (at_operator("|")) statement.expression = parse_filters(nullptr, false);
  statement.body = parse_body({"endset"});
  take();
}

void Parser::parse_parameters(MacroDefinition& macro) {
  expect_operator("(");
  while (!at_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    macro.parameters.push_back(expect_name());
    if (skip_operator("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      refuse("has a parameter {} without a default behind one with", macro.parameters.back());
    }
  }
  expect_operator(")");
}

void Parser::parse_macro(Statement& statement) {
  statement.macro = std::make_unique<MacroDefinition>();
  statement.macro->name = expect_name();
  const std::size_t loops = std::exchange(loops_, 0);
  macros_.push_back(statement.macro.get());
  parse_parameters(*statement.macro);
  statement.macro->body = parse_body({"endmacro"});
  macros_.pop_back();
  loops_ = loops;
  take();
}

void Parser::parse_call_block(Statement& statement) {
  statement.macro = std::make_unique<MacroDefinition>();
  statement.macro->name = "caller";
  if (at_operator("(")) parse_parameters(*statement.macro);
  statement.expression = parse_expression();
  if (statement.expression->kind != ExpressionKind::kCall) {
    refuse("has a {{% call %}} of something that is no call");
  }
  const std::size_t loops = std::exchange(loops_, 0);
  macros_.push_back(statement.macro.get());
  statement.macro->body = parse_body({"endcall"});
  macros_.pop_back();
  loops_ = loops;
  take();
}

void Parser::parse_filter_block(Statement& statement) {
  statement.expression = parse_filters(nullptr, true);
  statement.body = parse_body({"endfilter"});
  take();
}

void Parser::parse_with(Statement& statement) {
  while (token().kind != TokenKind::kBlockEnd) {
    if (!statement.assignments.empty()) expect_operator(",");
    Assignment assignment;
    assignment.target = parse_target();
    expect_operator("=");
    assignment.value = parse_expression();
    statement.assignments.push_back(std::move(assignment));
  }
  statement.body = parse_body({"endwith"});
  take();
}

/// a | a, b | (a, b) | a, (b, c) | space.field
Target Parser::parse_targets() {
  const int first_line = line();
  Target first = parse_target();
  if (!at_operator(",")) return first;
  Target tuple{.is_tuple = true, .line = first_line};
  tuple.parts.push_back(std::move(first));
  while (skip_operator(",")) {
    if (token().kind != TokenKind::kName && !at_operator("(")) break;
    if (at_word("in")) break;
    tuple.parts.push_back(parse_target());
  }
  return tuple;
}

Target Parser::parse_target() {
  const DepthGuard guard(depth_, kMaxBlockDepth);
  Target target{.line = line()};
  if (skip_operator("(")) {
    target = parse_targets();
    expect_operator(")");
    return target;
  }
  target.name = expect_name();
  constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none",
                                                          "True", "False", "None"};
  if (std::find(kConstants.begin(), kConstants.end(), target.name) != kConstants.end()) {
    refuse("assigns to {}", target.name);
  }
  if (skip_operator(".")) target.field = expect_name();
  return target;
}

const Token& Parser::token(std::size_t ahead) const {
  return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
}

Token Parser::take() {
  Token taken = token();
  if (position_ + 1 < tokens_.size()) ++position_;
  return taken;
}

bool Parser::skip_operator(std::string_view text) {
  if (!at_operator(text)) return false;
  take();
  return true;
}

bool Parser::skip_word(std::string_view text) {
  if (!at_word(text)) return false;
  take();
  return true;
}

void Parser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) refuse_token(text);
}

void Parser::expect(TokenKind kind, std::string_view what) {
  if (token().kind != kind) refuse_token(what);
  take();
}

std::string Parser::expect_name() {
  if (token().kind != TokenKind::kName) refuse_token("a name");
  return take().text;
}

void Parser::refuse_token(std::string_view expected) const {
  const Token& found = token();
  switch (found.kind) {
    case TokenKind::kText: refuse("has text where {} was expected", expected);
    case TokenKind::kPrintBegin: refuse("has {{{{ where {} was expected", expected);
    case TokenKind::kPrintEnd: refuse("has }}}} where {} was expected", expected);
    case TokenKind::kBlockBegin: refuse("has {{% where {} was expected", expected);
    case TokenKind::kBlockEnd: refuse("has %}} where {} was expected", expected);
    case TokenKind::kEnd: refuse("ends where {} was expected", expected);
    case TokenKind::kString: refuse("has a string where {} was expected", expected);
    default: refuse("has \"{}\" where {} was expected", found.text, expected);
  }
}

}  // namespace trine::input::chat_template
