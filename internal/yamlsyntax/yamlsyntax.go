// Package yamlsyntax says what is wrong in a YAML file, and in which line.
package yamlsyntax

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What errors of the YAML packages quote of a file, and what only programmers understand.
var (
	unknownAnchor = regexp.MustCompile(`unknown anchor '.*' referenced`)
	unknownField  = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongType     = regexp.MustCompile("(?s)cannot unmarshal !!([a-z]+)(?: `.*?`)? into \\S+")
)

// plain says what a mistake of syntax is in words of those who write a file.
var plain = strings.NewReplacer(
	"found character that cannot start any token", "a tab, or a character that no text begins with: indent by spaces, and put such a text in quotes",
	"mapping values are not allowed in this context", "a colon that is not expected: put a text with a colon in quotes, and indent like the lines around it",
	"did not find expected key", "no key where one is expected: indent like the lines around it",
	"did not find expected '-' indicator", "no item of the list where one is expected: indent like the lines around it",
	"could not find expected ':'", "a key without a colon, or a text in quotes that does not end",
	"found unexpected end of stream", "a text in quotes that does not end",
	"did not find expected ',' or ']'", "a list that does not end with ], or has no comma between its items",
	"did not find expected ',' or '}'", "a mapping that does not end with }, or has no comma between its keys",
	"did not find expected comment or line break", "a text that does not begin in a line of its own",
)

// Plain returns an error of a YAML package in words of those who write files,
// without types of Go and without what it quotes of the file, which may be a
// secret. The toolkit's file, that of --web.config.file, needs it as ours do.
func Plain(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	text = unknownAnchor.ReplaceAllString(text, "an alias has no anchor; put a text that begins with * in quotes")
	text = unknownField.ReplaceAllString(text, "unknown key $1")
	return errors.New(plain.Replace(wrongType.ReplaceAllString(text, "a value of the type $1 does not belong here")))
}

// lineNumber is how the YAML package names a line.
var lineNumber = regexp.MustCompile(`^line ([0-9]+): `)

// maxLines is how long a file may be whose lines are tried one by one.
const maxLines = 1000

// Mistake returns the line of a mistake of syntax, 0 if it is not known, and what
// it is: err is that of decoding the content.
//
// All lines before it are a whole file, and no more than these. The package names
// the line in which what is around the mistake begins, or none.
func Mistake(content []byte, err error) (line int, mistake error) {
	text := Plain(err).Error()
	if found := lineNumber.FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1]) // It consists of digits.
		text = text[len(found[0]):]
	}
	if lines := bytes.SplitAfter(content, []byte("\n")); len(lines) <= maxLines {
		line = len(lines)
		for line > 1 && !readable(bytes.Join(lines[:line-1], nil)) {
			line--
		}
	}
	return line, errors.New(text)
}

// readable reports whether the syntax of a file is right.
func readable(content []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
