/** `GET /openapi.json`: what the port and the cloud have to say to each other, for programs and for whoever writes one. */
import { readQuery } from '../admin/parameters.js';
import { jsonText, type Route } from '../route.js';
import { openApi } from './document.js';

export function openApiRoutes(): Route[] {
  let text: string | undefined;
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      handle: async ({ request }) => {
        readQuery(request.query, []);
        text ??= JSON.stringify(openApi());
        return jsonText(200, text);
      },
    },
  ];
}
