// Functions of more than 70 lines. TypeScript by its own parser; C++ by braces, which is right for formatted code.
const longest = 70;
const advice = (name, size) => `${name} has ${size} lines: split it by what it does (at most ${longest})`;

// Blanks comments, strings and character literals, keeping every newline.
function blank(text) {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|R"([^(\s]*)\([\s\S]*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'/g;
  return text.replace(pattern, (match) => match.replace(/[^\n]/g, ' '));
}

// A brace opens a function's body where a parameter list stands before it (with qualifiers, a trailing return type or an
// initialiser list between), and no control keyword before the list.
function opensFunction(before) {
  const head = before.slice(Math.max(before.lastIndexOf(';'), before.lastIndexOf('}')) + 1);
  if (/\b(if|for|while|switch|catch|namespace|class|struct|union|enum|else|do)\b[^]*$/.test(head) && !/\boperator\b/.test(head)) {
    // A lambda or function may still follow in the same statement; its own braces are looked at by themselves.
    if (!/\[[^\]]*\]\s*\([^)]*\)\s*(mutable|noexcept)?\s*(->\s*[\w:<>*& ]+)?\s*$/.test(head)) return undefined;
  }
  const list = /([\w:~<>]+|operator\S+)\s*\([^]*\)\s*(const|noexcept|override|final|mutable|&&?|->\s*[\w:<>*&, ]+|:[^]*)*\s*$/.exec(head);
  return list?.[1];
}

function* nativeFunctions(text) {
  const clean = blank(text);
  const open = [];
  let line = 1;
  let statement = 0;
  for (let i = 0; i < clean.length; i += 1) {
    const c = clean[i];
    if (c === '\n') line += 1;
    else if (c === '{') {
      open.push({ name: opensFunction(clean.slice(statement, i)), line });
      statement = i + 1;
    } else if (c === '}') {
      const body = open.pop();
      if (body?.name !== undefined && line - body.line + 1 > longest) yield { ...body, size: line - body.line + 1 };
      statement = i + 1;
    } else if (c === ';') statement = i + 1;
  }
}

function* scriptFunctions(ts, file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
      if (last - first + 1 > longest) found.push({ name: node.name?.getText() ?? 'a function', line: first + 1, size: last - first + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  yield* found;
}

export async function* functionLength(project) {
  for (const file of project.under('native').filter((path) => /\.(cpp|hpp)$/.test(path))) {
    for (const { name, line, size } of nativeFunctions(project.text(file))) yield { file, line, what: advice(name, size) };
  }
  const scripts = project.under('src', 'test', 'bench', 'scripts').filter((path) => /\.(ts|mjs)$/.test(path));
  // A file without seventy lines in a row has no function of so many.
  const candidates = scripts.filter((path) => project.lines(path).length > longest);
  if (candidates.length === 0) return;
  const { default: ts } = await import('typescript');
  for (const file of candidates) {
    for (const { name, line, size } of scriptFunctions(ts, file, project.text(file))) yield { file, line, what: advice(name, size) };
  }
}
