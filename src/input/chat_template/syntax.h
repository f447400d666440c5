// The tree a chat template is parsed into.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "input/chat_template/value.h"

namespace trine::input::chat_template {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ExpressionKind {
  kConstant,     ///< constant
  kName,         ///< text
  kList,         ///< children
  kTuple,        ///< children
  kDict,         ///< children: key, value, key, value, …
  kAttribute,    ///< children[0].text
  kItem,         ///< children[0][children[1]]
  kSlice,        ///< children: start, stop, step; null where not given
  kCall,         ///< children[0](arguments)
  kFilter,       ///< children[0] | text(arguments); null in a filter block
  kTest,         ///< children[0] is text(arguments)
  kNot,          ///< children[0]
  kNegative,     ///< children[0]
  kPositive,     ///< children[0]
  kArithmetic,   ///< children[0] text children[1]
  kConcat,       ///< children, put together as text
  kCompare,      ///< children[0] operators[0] children[1] operators[1] …
  kAnd,          ///< children[0], children[1]
  kOr,           ///< children[0], children[1]
  kConditional,  ///< children: condition, then, else; the last null where not given
};

/// How an argument is passed: by place or name, or from a list (*) or dict (**).
enum class ArgumentKind { kPositional, kNamed, kPositionalList, kNamedDict };

struct Argument {
  ArgumentKind kind = ArgumentKind::kPositional;
  std::string name{};
  ExpressionPointer value{};
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  std::size_t height = 1;  ///< levels, itself included
  std::string text{};
  Value constant{};
  std::vector<ExpressionPointer> children{};
  std::vector<std::string> operators{};
  std::vector<Argument> arguments{};
};

/// What is assigned to: a name, a field of a namespace, or several.
struct Target {
  std::string name{};
  std::string field{};  ///< of a namespace; empty for the name itself
  std::vector<Target> parts{};
  bool is_tuple = false;
  int line = 1;
};

struct Statement;
using Block = std::vector<Statement>;

/// Parameters and body of a macro or a call block.
struct MacroDefinition {
  std::string name{};
  std::vector<std::string> parameters{};
  std::vector<ExpressionPointer> defaults{};  ///< of the last parameters
  std::unique_ptr<Block> body{};
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};

enum class StatementKind {
  kText,         ///< text
  kPrint,        ///< expression
  kIf,           ///< branches; the last may be without a condition
  kFor,          ///< target, expression, test, recursive, body, else_body
  kSet,          ///< target, expression
  kSetBlock,     ///< target, expression: filters or null; body
  kMacro,        ///< macro
  kCallBlock,    ///< macro: the caller; expression: the call
  kFilterBlock,  ///< expression: filters; body
  kWith,         ///< assignments, body
  kGeneration,   ///< body
  kBreak,
  kContinue,
};

struct Branch {
  ExpressionPointer condition{};
  std::unique_ptr<Block> body{};
};

struct Assignment {
  Target target{};
  ExpressionPointer value{};
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 1;
  std::string text{};
  ExpressionPointer expression{};
  ExpressionPointer test{};
  Target target{};
  bool recursive = false;
  std::vector<Branch> branches{};
  std::vector<Assignment> assignments{};
  std::unique_ptr<MacroDefinition> macro{};
  std::unique_ptr<Block> body{};
  std::unique_ptr<Block> else_body{};
};

}  // namespace trine::input::chat_template
