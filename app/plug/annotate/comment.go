package annotate

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// derivedLine begins the line with the mark in a handler's comment.
const derivedLine = "//plug:derived "

// directive matches a line for tools. gofmt moves such lines to the end of a comment.
var directive = regexp.MustCompile(`^//[a-z0-9]+:[a-z0-9]`)

// comment is a doc comment taken apart.
type comment struct {
	prose, annotations, directives []string
	mark                           string
}

func parseComment(doc *ast.CommentGroup) comment {
	var c comment
	if doc == nil {
		return c
	}
	first, last := annotated(doc.List)
	for i, line := range doc.List {
		switch text := content(line.Text); {
		case strings.HasPrefix(text, "@") && first <= i && i <= last:
			c.annotations = append(c.annotations, text)
		case strings.HasPrefix(line.Text, derivedLine):
			c.mark = strings.TrimPrefix(line.Text, derivedLine)
		case directive.MatchString(line.Text):
			c.directives = append(c.directives, line.Text)
		default:
			c.prose = append(c.prose, line.Text)
		}
	}
	for len(c.prose) > 0 && c.prose[len(c.prose)-1] == "//" {
		c.prose = c.prose[:len(c.prose)-1]
	}
	return c
}

// swagWords are those of swag that describe an operation.
var swagWords = strings.Fields("@id @summary @description @description.markdown @tags @accept @produce @param @success @failure @response " +
	"@header @router @deprecatedrouter @security @deprecated @schemes")

// annotated returns the first and the last line that swag understands. Lines between them that begin with @ are
// annotations too; others are prose, such as an example.
func annotated(lines []*ast.Comment) (first, last int) {
	first, last = len(lines), -1
	for i, line := range lines {
		word, _, _ := strings.Cut(strings.ToLower(strings.Join(strings.Fields(content(line.Text)), " ")), " ")
		if slices.Contains(swagWords, word) || strings.HasPrefix(word, "@x-") {
			first, last = min(first, i), i
		}
	}
	return first, last
}

// content returns the text of a line of a comment.
func content(line string) string { return strings.TrimSpace(strings.TrimPrefix(line, "//")) }

// plain returns the text of a comment.
func plain(comments []string) string {
	var all []string
	for _, c := range comments {
		block, ok := strings.CutPrefix(c, "/*")
		if !ok {
			all = append(all, content(c))
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(block, "*/"), "\n") {
			all = append(all, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "*")))
		}
	}
	return strings.TrimSpace(strings.Join(all, " "))
}

// question matches a question. "says" is left out before one: "says which products there are".
var question = regexp.MustCompile(`^(which|whether|how|what|where|when|who) `)

// sentence turns a doc comment into a description: its first sentence without the name it begins with.
func sentence(doc, name string) (first, rest string) {
	doc = strings.Join(strings.Fields(doc), " ")
	doc = strings.TrimPrefix(doc, name+" ")
	for _, verb := range []string{"is ", "are "} {
		doc = strings.TrimPrefix(doc, verb)
	}
	if next := strings.TrimPrefix(doc, "says "); question.MatchString(next) {
		doc = next
	}
	first, rest = cutSentence(doc)
	first = strings.TrimSuffix(first, ".")
	if runes := []rune(first); len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
		first = string(runes)
	}
	return first, rest
}

// abbreviations end with a full stop that ends no sentence.
var abbreviations = strings.Fields("e.g i.e cf vs approx incl resp viz")

// cutSentence returns the first sentence of text and the rest. The text has single spaces.
func cutSentence(text string) (first, rest string) {
	for at := 0; ; at += 2 {
		i := strings.Index(text[at:], ". ")
		if i < 0 {
			return text, ""
		}
		at += i
		first, rest = text[:at], text[at+2:]
		word := strings.ToLower(strings.TrimLeft(first[strings.LastIndex(first, " ")+1:], "(["))
		next, _ := utf8.DecodeRuneInString(rest)
		if !slices.Contains(abbreviations, word) && (word != "etc" || !unicode.IsLower(next)) {
			return first, rest
		}
	}
}
