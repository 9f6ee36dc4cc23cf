document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
const url = document.currentScript.src.replace("/static/docs.js", "/openapi.json"); // under the same prefix
SwaggerUIBundle({ url, dom_id: "#swagger-ui", validatorUrl: null }); // null: asks no other server
