// From the text of a chat template to its tree.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "input/chat_template/lexer.h"
#include "input/chat_template/syntax.h"

namespace trine::input::chat_template {

/// Recursive descent over the tokens of one template, with the precedence of Jinja 3.1:
/// if-else, or, and, not, comparisons, + -, ~, * / // %, **, unary, postfix, filters and tests.
/// Every refusal is a TemplateError about the token at line().
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// The whole template.
  [[nodiscard]] Block parse_template();
  /// Of the token being read.
  [[nodiscard]] int line() const noexcept { return token().line; }

 private:
  // parser.cpp: statements.
  Block parse_block(std::initializer_list<std::string_view> ends);
  std::unique_ptr<Block> parse_body(std::initializer_list<std::string_view> ends);
  Statement parse_statement();
  void parse_for(Statement& statement);
  void parse_if(Statement& statement);
  void parse_set(Statement& statement);
  void parse_macro(Statement& statement);
  void parse_call_block(Statement& statement);
  void parse_filter_block(Statement& statement);
  void parse_with(Statement& statement);
  void parse_parameters(MacroDefinition& macro);
  Target parse_targets();
  Target parse_target();

  // expression_parser.cpp
  /// One expression, or a tuple of several with commas between them.
  ExpressionPointer parse_tuple(bool with_condition, bool in_parentheses = false);
  ExpressionPointer parse_expression();
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_comparison();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concat();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filters);
  ExpressionPointer parse_primary();
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_postfix(ExpressionPointer value);
  ExpressionPointer parse_filters_and_tests(ExpressionPointer value);
  ExpressionPointer parse_subscript(ExpressionPointer value);
  ExpressionPointer parse_slice_or_index();
  ExpressionPointer parse_call(ExpressionPointer callee);
  ExpressionPointer parse_filters(ExpressionPointer value, bool starts_inline);
  ExpressionPointer parse_test(ExpressionPointer value);
  std::vector<Argument> parse_arguments();
  Argument parse_argument();
  void note_special_name(const std::string& name);

  // Tokens.
  [[nodiscard]] const Token& token(std::size_t ahead = 0) const;
  Token take();
  [[nodiscard]] bool at(TokenKind kind, std::string_view text) const {
    return token().is(kind, text);
  }
  [[nodiscard]] bool at_operator(std::string_view text) const {
    return at(TokenKind::kOperator, text);
  }
  [[nodiscard]] bool at_word(std::string_view text) const { return at(TokenKind::kName, text); }
  bool skip_operator(std::string_view text);
  bool skip_word(std::string_view text);
  void expect_operator(std::string_view text);
  void expect(TokenKind kind, std::string_view what);
  std::string expect_name();
  [[noreturn]] void refuse_token(std::string_view expected) const;

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  std::size_t depth_ = 0;
  std::size_t loops_ = 0;                 ///< that break and continue may end
  std::vector<MacroDefinition*> macros_;  ///< being parsed, innermost last
};

}  // namespace trine::input::chat_template
