package docs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// CheckAsyncAPI checks an AsyncAPI document by the specification, as far as we use it: every reference resolves, names
// can be referred to, a channel has messages and an address of its own, an operation sends or receives messages of its
// channel, and so does its reply.
func CheckAsyncAPI(text []byte) []error {
	var root map[string]any
	if err := yaml.Unmarshal(text, &root); err != nil {
		return []error{fmt.Errorf("read AsyncAPI document: %w", err)}
	}
	c := asyncCheck{root: root}
	if root["asyncapi"] != "3.0.0" {
		c.fail("asyncapi: is not 3.0.0")
	}
	for _, name := range []string{"title", "version"} {
		if text, ok := at(root, "info", name).(string); !ok || text == "" {
			c.fail("info: has no %s", name)
		}
	}
	c.references(root, "#")
	c.channels()
	c.operations()
	return c.problems
}

type asyncCheck struct {
	root     map[string]any
	problems []error
}

func (c *asyncCheck) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// at returns the value at a path of names, or nil.
func at(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// members lists the members of the object at a path, by name.
func (c *asyncCheck) members(path ...string) (names []string, object map[string]any) {
	object, _ = at(c.root, path...).(map[string]any)
	return slices.Sorted(maps.Keys(object)), object
}

// resolve returns the target of a reference within the document, or nil.
func (c *asyncCheck) resolve(reference string) any {
	path, ok := strings.CutPrefix(reference, "#/")
	if !ok {
		return nil
	}
	return at(c.root, strings.Split(path, "/")...)
}

// references checks every reference below v.
func (c *asyncCheck) references(v any, where string) {
	switch v := v.(type) {
	case map[string]any:
		if reference, ok := v["$ref"].(string); ok && c.resolve(reference) == nil {
			c.fail("%s: refers to %s, which is not there", where, reference)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			c.references(v[name], where+"/"+name)
		}
	case []any:
		for i, element := range v {
			c.references(element, fmt.Sprintf("%s/%d", where, i))
		}
	}
}

var componentPattern = regexp.MustCompile(`^[\w.-]+$`)

func (c *asyncCheck) channels() {
	for _, part := range [][]string{{"channels"}, {"operations"}, {"components", "messages"}, {"components", "schemas"}} {
		names, _ := c.members(part...)
		for _, name := range names {
			if !componentPattern.MatchString(name) {
				c.fail("%s: the name %q needs other characters than letters, digits and ._-", strings.Join(part, "/"), name)
			}
		}
	}
	names, _ := c.members("channels")
	addresses := map[string]string{}
	for _, name := range names {
		if messages, _ := c.members("channels", name, "messages"); len(messages) == 0 {
			c.fail("channel %s: has no messages", name)
		}
		address, ok := at(c.root, "channels", name, "address").(string)
		if other, taken := addresses[address]; ok && taken {
			c.fail("channel %s: has the address of %s", name, other)
		}
		addresses[address] = name
	}
}

func (c *asyncCheck) operations() {
	names, operations := c.members("operations")
	for _, name := range names {
		o := operations[name]
		if action := at(o, "action"); action != "send" && action != "receive" {
			c.fail("operation %s: the action is %v, not send or receive", name, action)
		}
		c.messages("operation "+name, o)
		if reply := at(o, "reply"); reply != nil {
			c.messages("reply of operation "+name, reply)
		}
	}
}

// messages checks that an operation or a reply names a channel, and messages of that channel.
func (c *asyncCheck) messages(where string, o any) {
	channel, _ := at(o, "channel", "$ref").(string)
	if !strings.HasPrefix(channel, "#/channels/") {
		c.fail("%s: has no channel", where)
		return
	}
	messages, _ := at(o, "messages").([]any)
	if len(messages) == 0 {
		c.fail("%s: has no messages", where)
	}
	for _, m := range messages {
		if reference, _ := at(m, "$ref").(string); !strings.HasPrefix(reference, channel+"/messages/") {
			c.fail("%s: the message %v is not one of its channel %s", where, reference, channel)
		}
	}
}
