// Package plugins holds the features of the products domain, one file each.
package plugins
