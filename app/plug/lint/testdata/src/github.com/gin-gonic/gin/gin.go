package gin

// Package gin stands in for Gin, with what the rules look at.

type Context struct{}

type H map[string]any

func (c *Context) JSON(code int, obj any)                {}
func (c *Context) AbortWithStatusJSON(code int, obj any) {}
func (c *Context) ShouldBindJSON(obj any) error          { return nil }
func (c *Context) FileAttachment(path, name string)      {}
func (c *Context) Param(key string) string               { return "" }

type HandlerFunc func(*Context)
