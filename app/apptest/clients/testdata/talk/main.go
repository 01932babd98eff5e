// Command talk speaks to the service at the address it is given, through a client that was generated from the service's
// description and is put beside this file. It signs in with the e-mail address and the password that it is given.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"os"
	"reflect"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"
)

func main() {
	if err := talk(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func talk(address string) error {
	client, err := NewClientWithResponses(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for name, conversation := range map[string]func(context.Context, *ClientWithResponses) error{
		"create, get, list": products, "invalid": invalid, "missing": missing, "upload": upload, "sign in and out": access,
	} {
		if err := conversation(ctx, client); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// same compares what came with what was expected.
func same[T any](what string, got, want T) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("%s is %+v, want %+v", what, got, want)
}

func products(ctx context.Context, client *ClientWithResponses) error {
	created, err := client.ProductsCreateProductWithResponse(ctx, CreateProductRequest{Name: "Ä lamp", Price: 49.9})
	if err != nil || created.JSON201 == nil {
		return fmt.Errorf("create: %w, %s", err, created.Body)
	}
	id := created.JSON201.Data.Id
	want := CreateProductData{Id: id, Name: "Ä lamp", Price: 49.9}
	got, err := client.ProductsGetProductWithResponse(ctx, id)
	if err != nil || got.JSON200 == nil {
		return fmt.Errorf("get: %w", err)
	}
	sort, limit, total, q := ProductsListProductsParamsSort("-price"), int64(1), true, "lamp"
	list, err := client.ProductsListProductsWithResponse(ctx, &ProductsListProductsParams{Sort: &sort, Limit: &limit, Total: &total, Q: &q})
	if err != nil || list.JSON200 == nil {
		return fmt.Errorf("list: %w", err)
	}
	one := int64(1)
	return errors.Join(
		same("created", created.JSON201.Data, want),
		same("location", created.HTTPResponse.Header.Get("Location"), fmt.Sprintf("/products/%d", id)),
		same("got", CreateProductData(got.JSON200.Data), want),
		same("listed", list.JSON200.Data, PageOfListProductsItem{
			Items: []ListProductsItem{{Id: id, Name: "Ä lamp", Price: 49.9}}, Total: &one,
		}),
	)
}

func invalid(ctx context.Context, client *ClientWithResponses) error {
	answer, err := client.ProductsCreateProductWithResponse(ctx, CreateProductRequest{Price: -1})
	if err != nil || answer.JSON422 == nil || answer.JSON422.Details == nil {
		return fmt.Errorf("create: %w, %s", err, answer.Body)
	}
	return errors.Join(
		same("code", answer.JSON422.Code, "invalid"),
		same("success", answer.JSON422.Success, false),
		same("details", *answer.JSON422.Details, []Violation{
			{Field: "name", Rule: "required", Message: "must not be empty"},
			{Field: "price", Rule: "gt", Message: "must be greater than 0"},
		}),
	)
}

func missing(ctx context.Context, client *ClientWithResponses) error {
	answer, err := client.ProductsGetProductWithResponse(ctx, 1_000_000)
	if err != nil || answer.JSON404 == nil {
		return fmt.Errorf("get: %w, %s", err, answer.Body)
	}
	return same("answer", *answer.JSON404, NotFound{Code: "not_found", Error: "product 1000000 does not exist"})
}

func upload(ctx context.Context, client *ClientWithResponses) error {
	var picture, form bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 40, 30))); err != nil {
		return err
	}
	parts := multipart.NewWriter(&form)
	part, err := parts.CreateFormFile("image", "grey.png")
	if err != nil {
		return err
	}
	part.Write(picture.Bytes())
	parts.Close()
	stored, err := client.MediaUploadImageWithBodyWithResponse(ctx, parts.FormDataContentType(), &form)
	if err != nil || stored.JSON201 == nil {
		return fmt.Errorf("upload: %w, %s", err, stored.Body)
	}
	data := stored.JSON201.Data
	content, err := client.MediaGetImageContentWithResponse(ctx, data.Id)
	if err != nil {
		return fmt.Errorf("get content: %w", err)
	}
	return errors.Join(
		same("width", data.Width, 40), same("height", data.Height, 30), same("type", data.Type, "image/png"),
		same("content type", content.HTTPResponse.Header.Get("Content-Type"), "image/png"),
		same("content", content.Body, picture.Bytes()),
	)
}

// access signs in and out, and calls what only those may call whom the service knows.
func access(ctx context.Context, client *ClientWithResponses) error {
	unknown, err := client.AccountsGetMeWithResponse(ctx)
	if err != nil || unknown.JSON401 == nil {
		return fmt.Errorf("get me, not signed in: %w, %s", err, unknown.Body)
	}
	email, password, use := os.Args[2], os.Args[3], SignInRequestUse("token")
	wrong, err := client.AccountsSignInWithResponse(ctx, nil, SignInRequest{Email: openapi_types.Email(email), Password: "x", Use: &use})
	if err != nil || wrong.JSON401 == nil {
		return fmt.Errorf("sign in with a wrong password: %w, %s", err, wrong.Body)
	}
	session, err := client.AccountsSignInWithResponse(ctx, nil, SignInRequest{Email: openapi_types.Email(email), Password: password, Use: &use})
	if err != nil || session.JSON200 == nil || session.JSON200.Data.Token == nil {
		return fmt.Errorf("sign in: %w, %s", err, session.Body)
	}
	signed := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+*session.JSON200.Data.Token)
		return nil
	}
	me, err := client.AccountsGetMeWithResponse(ctx, signed)
	if err != nil || me.JSON200 == nil {
		return fmt.Errorf("get me: %w, %s", err, me.Body)
	}
	users, err := client.AccountsListUsersWithResponse(ctx, nil, signed) // needs a permission
	if err != nil || users.JSON200 == nil {
		return fmt.Errorf("list users: %w, %s", err, users.Body)
	}
	gone, err := client.AccountsSignOutWithResponse(ctx, signed)
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	over, err := client.AccountsGetMeWithResponse(ctx, signed)
	if err != nil || over.JSON401 == nil {
		return fmt.Errorf("get me, signed out: %w, %s", err, over.Body)
	}
	return errors.Join(
		same("code", unknown.JSON401.Code, "unauthorized"), same("code", over.JSON401.Code, "unauthorized"),
		same("signed in", session.JSON200.Data.UserId, me.JSON200.Data.Id), same("e-mail", string(me.JSON200.Data.Email), email),
		same("users", len(users.JSON200.Data.Items), 1), same("signed out", gone.StatusCode(), http.StatusNoContent),
	)
}
