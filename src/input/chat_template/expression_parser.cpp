// Expressions, one function per level of precedence.
#include <algorithm>
#include <array>
#include <utility>

#include "input/chat_template/parser.h"

namespace trine::input::chat_template {
namespace {

/// Of a tree, whether deep by brackets or by a long chain such as a + a + a …
constexpr std::size_t kMaxExpressionHeight = 150;

/// Gives `parent` a child; null ones stand for what is not there.
void adopt(Expression& parent, ExpressionPointer child) {
  if (child != nullptr) {
    parent.height = std::max(parent.height, child->height + 1);
    if (parent.height > kMaxExpressionHeight) {
      unsupported("has an expression of more than {} levels", kMaxExpressionHeight);
    }
  }
  parent.children.push_back(std::move(child));
}

template <class... Children>
ExpressionPointer make(ExpressionKind kind, int line, Children... children) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = line;
  (adopt(*expression, std::move(children)), ...);
  return expression;
}

ExpressionPointer with_text(ExpressionPointer expression, std::string text) {
  expression->text = std::move(text);
  return expression;
}

ExpressionPointer make_constant(Value value, int line) {
  auto expression = make(ExpressionKind::kConstant, line);
  expression->constant = std::move(value);
  return expression;
}

/// A constant of the template, whose size the template's own bounds.
Value text_constant(std::string text) {
  Budget budget{RenderLimits{}};
  return Value::text(budget, std::move(text));
}

void take_arguments(Expression& expression, std::vector<Argument> arguments) {
  for (const Argument& argument : arguments) {
    expression.height = std::max(expression.height, argument.value->height + 1);
  }
  if (expression.height > kMaxExpressionHeight) {
    unsupported("has an expression of more than {} levels", kMaxExpressionHeight);
  }
  expression.arguments = std::move(arguments);
}

}  // namespace

ExpressionPointer Parser::parse_tuple(bool with_condition, bool in_parentheses) {
  const int first_line = line();
  std::vector<ExpressionPointer> items;
  bool is_tuple = false;
  while (true) {
    const bool at_end = token().kind == TokenKind::kPrintEnd ||
                        token().kind == TokenKind::kBlockEnd || at_operator(")");
    if (at_end) break;
    items.push_back(with_condition ? parse_expression() : parse_or());
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items.front());
  if (!is_tuple && !in_parentheses) refuse_token("an expression");
  auto tuple = make(ExpressionKind::kTuple, first_line);
  for (auto& item : items) adopt(*tuple, std::move(item));
  return tuple;
}

ExpressionPointer Parser::parse_expression() {
  const DepthGuard guard(depth_, kMaxExpressionHeight);
  const int first_line = line();
  ExpressionPointer value = parse_or();
  while (skip_word("if")) {
    ExpressionPointer condition = parse_or();
    ExpressionPointer otherwise;
    if (skip_word("else")) otherwise = parse_expression();
    value = make(ExpressionKind::kConditional, first_line, std::move(condition),
                 std::move(value), std::move(otherwise));
  }
  return value;
}

ExpressionPointer Parser::parse_or() {
  ExpressionPointer left = parse_and();
  while (at_word("or")) {
    const int operator_line = take().line;
    ExpressionPointer right = parse_and();
    left = make(ExpressionKind::kOr, operator_line, std::move(left), std::move(right));
  }
  return left;
}

ExpressionPointer Parser::parse_and() {
  ExpressionPointer left = parse_not();
  while (at_word("and")) {
    const int operator_line = take().line;
    ExpressionPointer right = parse_not();
    left = make(ExpressionKind::kAnd, operator_line, std::move(left), std::move(right));
  }
  return left;
}

ExpressionPointer Parser::parse_not() {
  const DepthGuard guard(depth_, kMaxExpressionHeight);
  if (!at_word("not")) return parse_comparison();
  const int operator_line = take().line;
  return make(ExpressionKind::kNot, operator_line, parse_not());
}

ExpressionPointer Parser::parse_comparison() {
  constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};
  const int first_line = line();
  ExpressionPointer first = parse_sum();
  ExpressionPointer comparison;
  while (true) {
    const bool compares =
        token().kind == TokenKind::kOperator &&
        std::find(kComparisons.begin(), kComparisons.end(), token().text) != kComparisons.end();
    std::string symbol;
    if (compares) {
      symbol = take().text;
    } else if (skip_word("in")) {
      symbol = "in";
    } else if (at_word("not") && token(1).is(TokenKind::kName, "in")) {
      take();
      take();
      symbol = "not in";
    } else {
      break;
    }
    if (!comparison) comparison = make(ExpressionKind::kCompare, first_line, std::move(first));
    comparison->operators.push_back(std::move(symbol));
    adopt(*comparison, parse_sum());
  }
  return comparison ? std::move(comparison) : std::move(first);
}

ExpressionPointer Parser::parse_sum() {
  ExpressionPointer left = parse_concat();
  while (at_operator("+") || at_operator("-")) {
    const Token symbol = take();
    ExpressionPointer right = parse_concat();
    left = with_text(
        make(ExpressionKind::kArithmetic, symbol.line, std::move(left), std::move(right)),
        symbol.text);
  }
  return left;
}

ExpressionPointer Parser::parse_concat() {
  const int first_line = line();
  ExpressionPointer first = parse_product();
  if (!at_operator("~")) return first;
  ExpressionPointer concat = make(ExpressionKind::kConcat, first_line, std::move(first));
  while (skip_operator("~")) adopt(*concat, parse_product());
  return concat;
}

ExpressionPointer Parser::parse_product() {
  ExpressionPointer left = parse_power();
  while (at_operator("*") || at_operator("/") || at_operator("//") || at_operator("%")) {
    const Token symbol = take();
    ExpressionPointer right = parse_power();
    left = with_text(
        make(ExpressionKind::kArithmetic, symbol.line, std::move(left), std::move(right)),
        symbol.text);
  }
  return left;
}

ExpressionPointer Parser::parse_power() {
  ExpressionPointer left = parse_unary(true);
  while (at_operator("**")) {
    const Token symbol = take();
    ExpressionPointer right = parse_unary(true);
    left = with_text(
        make(ExpressionKind::kArithmetic, symbol.line, std::move(left), std::move(right)),
        symbol.text);
  }
  return left;
}

ExpressionPointer Parser::parse_unary(bool with_filters) {
  const DepthGuard guard(depth_, kMaxExpressionHeight);
  ExpressionPointer value;
  if (at_operator("-") || at_operator("+")) {
    const Token sign = take();
    value = make(sign.text == "-" ? ExpressionKind::kNegative : ExpressionKind::kPositive,
                 sign.line, parse_unary(false));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPointer Parser::parse_primary() {
  const int first_line = line();
  switch (token().kind) {
    case TokenKind::kInteger: return make_constant(Value::integer(take().integer), first_line);
    case TokenKind::kReal: return make_constant(Value::real(take().real), first_line);
    case TokenKind::kString: {
      std::string text;
      while (token().kind == TokenKind::kString) text += take().text;
      return make_constant(text_constant(std::move(text)), first_line);
    }
    case TokenKind::kName: {
      std::string name = take().text;
      if (name == "true" || name == "True") {
        return make_constant(Value::boolean(true), first_line);
      }
      if (name == "false" || name == "False") {
        return make_constant(Value::boolean(false), first_line);
      }
      if (name == "none" || name == "None") return make_constant(Value::none(), first_line);
      note_special_name(name);
      return with_text(make(ExpressionKind::kName, first_line), std::move(name));
    }
    default: break;
  }
  if (skip_operator("(")) {
    ExpressionPointer value = parse_tuple(true, true);
    expect_operator(")");
    return value;
  }
  if (skip_operator("[")) return parse_list();
  if (skip_operator("{")) return parse_dict();
  refuse_token("an expression");
}

void Parser::note_special_name(const std::string& name) {
  for (MacroDefinition* macro : macros_) {
    macro->uses_varargs = macro->uses_varargs || name == "varargs";
    macro->uses_kwargs = macro->uses_kwargs || name == "kwargs";
    macro->uses_caller = macro->uses_caller || name == "caller";
  }
}

ExpressionPointer Parser::parse_list() {
  ExpressionPointer list = make(ExpressionKind::kList, line());
  while (!at_operator("]")) {
    adopt(*list, parse_expression());
    if (!at_operator("]")) expect_operator(",");
  }
  expect_operator("]");
  return list;
}

ExpressionPointer Parser::parse_dict() {
  ExpressionPointer dict = make(ExpressionKind::kDict, line());
  while (!at_operator("}")) {
    adopt(*dict, parse_expression());
    expect_operator(":");
    adopt(*dict, parse_expression());
    if (!at_operator("}")) expect_operator(",");
  }
  expect_operator("}");
  return dict;
}

ExpressionPointer Parser::parse_postfix(ExpressionPointer value) {
  while (true) {
    if (at_operator(".") || at_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (at_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPointer Parser::parse_filters_and_tests(ExpressionPointer value) {
  while (true) {
    if (at_operator("|")) {
      value = parse_filters(std::move(value), false);
    } else if (at_word("is")) {
      value = parse_test(std::move(value));
    } else if (at_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPointer Parser::parse_subscript(ExpressionPointer value) {
  const int first_line = line();
  if (skip_operator(".")) {
    if (token().kind == TokenKind::kInteger) {
      const int index_line = line();
      ExpressionPointer index = make_constant(Value::integer(take().integer), index_line);
      return make(ExpressionKind::kItem, first_line, std::move(value), std::move(index));
    }
    std::string name = expect_name();
    return with_text(make(ExpressionKind::kAttribute, first_line, std::move(value)),
                     std::move(name));
  }
  expect_operator("[");
  ExpressionPointer index = parse_slice_or_index();
  if (at_operator(",")) unsupported("has an index of several parts, which Trine does not know");
  expect_operator("]");
  return make(ExpressionKind::kItem, first_line, std::move(value), std::move(index));
}

ExpressionPointer Parser::parse_slice_or_index() {
  const int first_line = line();
  const auto part = [this]() -> ExpressionPointer {
    if (at_operator(":") || at_operator("]")) return nullptr;
    return parse_expression();
  };
  ExpressionPointer start = part();
  if (!skip_operator(":")) {
    if (!start) refuse_token("an index");
    return start;
  }
  ExpressionPointer stop = part();
  ExpressionPointer step;
  if (skip_operator(":")) step = part();
  return make(ExpressionKind::kSlice, first_line, std::move(start), std::move(stop),
              std::move(step));
}

ExpressionPointer Parser::parse_call(ExpressionPointer callee) {
  ExpressionPointer call = make(ExpressionKind::kCall, line(), std::move(callee));
  take_arguments(*call, parse_arguments());
  return call;
}

/// value | name(arguments) | name … ; with `starts_inline` the first | is not written.
ExpressionPointer Parser::parse_filters(ExpressionPointer value, bool starts_inline) {
  while (starts_inline || at_operator("|")) {
    if (!std::exchange(starts_inline, false)) take();
    const int first_line = line();
    value =
        with_text(make(ExpressionKind::kFilter, first_line, std::move(value)), expect_name());
    if (at_operator("(")) take_arguments(*value, parse_arguments());
  }
  return value;
}

ExpressionPointer Parser::parse_test(ExpressionPointer value) {
  const int first_line = take().line;
  const bool negated = skip_word("not");
  ExpressionPointer test =
      with_text(make(ExpressionKind::kTest, first_line, std::move(value)), expect_name());
  const bool has_argument =
      (token().kind == TokenKind::kName && !at_word("else") && !at_word("or") &&
       !at_word("and")) ||
      token().kind == TokenKind::kString || token().kind == TokenKind::kInteger ||
      token().kind == TokenKind::kReal || at_operator("[") || at_operator("{");
  if (at_operator("(")) {
    take_arguments(*test, parse_arguments());
  } else if (has_argument) {
    if (at_word("is")) refuse("has a test behind a test: is … is");
    std::vector<Argument> arguments(1);
    arguments.front().value = parse_postfix(parse_primary());
    take_arguments(*test, std::move(arguments));
  }
  return negated ? make(ExpressionKind::kNot, first_line, std::move(test)) : std::move(test);
}

std::vector<Argument> Parser::parse_arguments() {
  std::vector<Argument> arguments;
  expect_operator("(");
  while (!at_operator(")")) {
    Argument argument = parse_argument();
    const ArgumentKind last =
        arguments.empty() ? ArgumentKind::kPositional : arguments.back().kind;
    if (argument.kind == ArgumentKind::kPositional && last != ArgumentKind::kPositional) {
      refuse("has an argument without a name behind one with");
    }
    arguments.push_back(std::move(argument));
    if (!at_operator(")")) expect_operator(",");
  }
  expect_operator(")");
  return arguments;
}

Argument Parser::parse_argument() {
  Argument argument;
  if (skip_operator("*")) {
    argument.kind = ArgumentKind::kPositionalList;
  } else if (skip_operator("**")) {
    argument.kind = ArgumentKind::kNamedDict;
  } else if (token().kind == TokenKind::kName && token(1).is(TokenKind::kOperator, "=")) {
    argument.kind = ArgumentKind::kNamed;
    argument.name = take().text;
    take();
  }
  argument.value = parse_expression();
  return argument;
}

}  // namespace trine::input::chat_template
