/** Shell completions for bash, zsh and fish from commander's tables. */
import type { Command, Option } from 'commander';
import { manualOf } from '../bin/program.mjs';
import { optionMeaning, visibleCommands, visibleOptions } from './manual_pages.js';

/**
 * A command line is a first part, up to the first word that is no option, and a second one: that of
 * a subcommand, or what follows the image.
 */
interface Shape {
  readonly name: string;
  readonly first: readonly Option[];
  /** By the word that stands before: a subcommand's name, or "*" for any. */
  readonly second: ReadonlyMap<
    string,
    { readonly about: string; readonly options: readonly Option[] }
  >;
}

function shapeOf(command: Command): Shape {
  const second = new Map<string, { about: string; options: readonly Option[] }>();
  for (const sub of visibleCommands(command)) {
    const about = sub.summary() || sub.description();
    second.set(sub.name(), { about, options: visibleOptions(sub) });
  }
  const { rest } = manualOf(command);
  if (rest !== undefined) {
    second.set('*', { about: rest.title, options: visibleOptions(rest.command) });
  }
  return { name: command.name(), first: visibleOptions(command), second };
}

const words = (options: readonly Option[]): string[] =>
  options.flatMap((option) => [option.short, option.long]).filter((word) => word !== undefined);

const takesValue = (option: Option): boolean => option.required || option.optional;

/** For single quotes in sh, zsh. */
const single = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;

// ---- bash -----------------------------------------------------------------------------------------

function bashCase(options: readonly Option[]): string[] {
  const choices = options
    .filter((option) => option.argChoices !== undefined)
    .map((option) => {
      const values = option.argChoices!.join(' ');
      return `    ${words([option]).join('|')}) COMPREPLY=($(compgen -W ${single(values)} -- "$cur")); return ;;`;
    });
  const files = words(
    options.filter((option) => takesValue(option) && option.argChoices === undefined),
  );
  if (files.length > 0)
    choices.push(`    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;`);
  return choices;
}

export function bashCompletion(command: Command): string {
  const shape = shapeOf(command);
  const fn = `_${shape.name.replace(/\W/g, '_')}`;
  const valued = words(shape.first.filter(takesValue));
  const part = (options: readonly Option[]): string[] => {
    const cases = bashCase(options);
    return [
      ...(cases.length === 0 ? [] : ['  case $prev in', ...cases, '  esac']),
      `  [[ $cur == -* ]] && COMPREPLY=($(compgen -W ${single(words(options).join(' '))} -- "$cur"))`,
    ];
  };
  const names = [...shape.second.keys()].filter((name) => name !== '*');
  const lines = [
    `# bash completion of ${shape.name}, made by npm run docs.`,
    `${fn}() {`,
    `  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} first= i`,
    '  COMPREPLY=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    `    case \${COMP_WORDS[i]} in`,
    ...(valued.length === 0 ? [] : [`      ${valued.join('|')}) ((i++)) ;;`]),
    '      -*) ;;',
    `      *) first=\${COMP_WORDS[i]}; break ;;`,
    '    esac',
    '  done',
  ];
  for (const [name, { options }] of shape.second) {
    const test = name === '*' ? '[[ -n $first ]]' : `[[ $first == ${name} ]]`;
    lines.push(
      `  if ${test}; then`,
      ...part(options).map((line) => `  ${line}`),
      '    return',
      '  fi',
    );
  }
  lines.push(...part(shape.first));
  if (names.length > 0) {
    lines.push(
      `  [[ -z $first && $cur != -* ]] && COMPREPLY=($(compgen -W ${single(names.join(' '))} -- "$cur"))`,
    );
  }
  lines.push('}', `complete -o bashdefault -o default -F ${fn} ${shape.name}`);
  return `${lines.join('\n')}\n`;
}

// ---- zsh ------------------------------------------------------------------------------------------

const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&');

function zshSpecs(options: readonly Option[]): string[] {
  return options.map((option) => {
    const names = words([option]);
    const value = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1] ?? 'value';
    const action =
      option.argChoices === undefined ? '_files' : `(${option.argChoices.map(zshText).join(' ')})`;
    const argument = takesValue(option) ? `:${zshText(value)}:${action}` : '';
    const text = `[${zshText(optionMeaning(option))}]${argument}`;
    const spec =
      names.length === 1 ? single(`*${names[0]}${text}`) : `'*'{${names.join(',')}}${single(text)}`;
    return spec;
  });
}

export function zshCompletion(command: Command): string {
  const shape = shapeOf(command);
  const fn = `_${shape.name.replace(/\W/g, '_')}`;
  const names = [...shape.second].filter(([name]) => name !== '*');
  const rest = shape.second.get('*');
  const argument = (specs: readonly string[], more: readonly string[]): string =>
    ['_arguments -s -S', ...specs, ...more].join(' \\\n    ');
  const lines = [
    `#compdef ${shape.name}`,
    `# zsh completion of ${shape.name}, made by npm run docs.`,
    `${fn}() {`,
    '  local context state state_descr line',
    '  typeset -A opt_args',
  ];
  if (names.length > 0) {
    const list = names.map(([name, { about }]) => single(`${name}:${zshText(about)}`)).join(' ');
    lines.push(
      `  ${argument(['-C', ...zshSpecs(shape.first)], ["'1: :->command'", "'*:: :->rest'"])}`,
      '  case $state in',
      `    command) local -a commands=(${list}); _describe command commands ;;`,
      '    rest)',
      '      case $words[1] in',
      ...names.map(
        ([name, { options }]) =>
          `        ${name}) ${argument(zshSpecs(options), ["'*:file:_files'"])} ;;`,
      ),
      '      esac ;;',
      '  esac',
    );
  } else if (rest !== undefined) {
    lines.push(
      `  ${argument(['-C', ...zshSpecs(shape.first)], ["'1:image:_files'", "'*:: :->rest'"])}`,
      `  [[ $state == rest ]] && ${argument(zshSpecs(rest.options), ["'*:path:_files'"])}`,
    );
  } else {
    lines.push(`  ${argument(zshSpecs(shape.first), ["'*:file:_files'"])}`);
  }
  lines.push('}', `${fn} "$@"`);
  return `${lines.join('\n')}\n`;
}

// ---- fish -----------------------------------------------------------------------------------------

/** fish knows two escapes inside single quotes. */
const fishText = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

export function fishCompletion(command: Command): string {
  const shape = shapeOf(command);
  const valued = words(shape.first.filter(takesValue));
  const first = `__${shape.name.replace(/\W/g, '_')}_first`;
  const line = (option: Option, condition: string | undefined): string =>
    [
      `complete -c ${shape.name}`,
      ...(condition === undefined ? [] : [`-n ${fishText(condition)}`]),
      ...(option.short === undefined ? [] : [`-s ${fishText(option.short.slice(1))}`]),
      ...(option.long === undefined ? [] : [`-l ${fishText(option.long.slice(2))}`]),
      ...(option.argChoices === undefined
        ? takesValue(option)
          ? ['-r']
          : []
        : [`-x -a ${fishText(option.argChoices.join(' '))}`]),
      `-d ${fishText(optionMeaning(option))}`,
    ].join(' ');
  if (shape.second.size === 0) {
    return [
      `# fish completion of ${shape.name}, made by npm run docs.`,
      ...shape.first.map((option) => line(option, undefined)),
      '',
    ].join('\n');
  }
  const lines = [
    `# fish completion of ${shape.name}, made by npm run docs.`,
    `function ${first} --description 'the first word that is no option, or nothing'`,
    '  set -l skip 0',
    '  for word in (commandline -opc)[2..-1]',
    '    if test $skip = 1',
    '      set skip 0',
    `    else if contains -- $word ${valued.map(fishText).join(' ') || "''"}`,
    '      set skip 1',
    "    else if not string match -q -- '-*' $word",
    '      echo $word',
    '      return',
    '    end',
    '  end',
    'end',
    ...shape.first.map((option) => line(option, `test -z "$(${first})"`)),
  ];
  for (const [name, { about, options }] of shape.second) {
    const condition = name === '*' ? `test -n "$(${first})"` : `test "$(${first})" = ${name}`;
    if (name !== '*') {
      lines.push(
        `complete -c ${shape.name} -n ${fishText(`test -z "$(${first})"`)} -f -a ${name} -d ${fishText(about)}`,
      );
    }
    lines.push(...options.map((option) => line(option, condition)));
  }
  return `${lines.join('\n')}\n`;
}
