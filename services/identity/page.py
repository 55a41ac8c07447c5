"""The sign-in page: one form, no script, in the reader's language."""

from html import escape

from services.identity.account import Request

WORDS = {
    "zh-CN": {
        "title": "登录 · 渝诊",
        "lead": "请用您的账号登录。",
        "login": "账号",
        "password": "密码",
        "submit": "登录",
        "password-wrong": "账号或密码不正确，请核对后重试。",
        "account-locked": "密码错误次数过多，请几分钟后再试，或联系医院服务台。",
    },
    "en": {
        "title": "Sign in · Yuzhen",
        "lead": "Sign in with your account.",
        "login": "Account",
        "password": "Password",
        "submit": "Sign in",
        "password-wrong": "Account name or password is wrong. Check both and try again.",
        "account-locked": "Too many wrong passwords. Wait a few minutes, or ask your hospital's service desk.",
    },
}
STYLE = """
:root{color-scheme:light dark;font:18px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
body{margin:0;display:grid;place-items:center;min-height:100vh;background:light-dark(#f3f6f6,#10191a)}
main{box-sizing:border-box;width:min(26rem,100vw);padding:2rem;background:light-dark(#fff,#182425);border-radius:.75rem}
h1{margin:0 0 .25rem;font-size:1.6rem;color:light-dark(#0b5d5e,#7fd4d2)}
label{display:block;margin-top:1rem}
input{box-sizing:border-box;width:100%;min-height:3.4rem;font:inherit;padding:.5rem;
border:1px solid #5c7173;border-radius:.4rem}
button{margin-top:1.5rem;width:100%;min-height:3.4rem;font:inherit;font-weight:600;border:0;border-radius:.4rem;
background:#0b6e6e;color:#fff}
:focus-visible{outline:3px solid #d97706;outline-offset:2px}
[role=alert]{margin:1rem 0 0;padding:.75rem;border-left:.3rem solid #b42318;background:light-dark(#fdecea,#3a1613)}
"""


def sign_in(request: Request, *, language: str, nonce: str, problem: str = "", login: str = "") -> str:
    """The page as HTML; `problem` is the code of a refusal."""
    words = WORDS.get(language, WORDS["en"])
    hidden = {
        "client_id": request.client_id,
        "redirect_uri": request.redirect_uri,
        "state": request.state,
        "code_challenge": request.challenge,
        "ui_locales": language,
    }
    fields = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items())
    alert = f'<p role="alert" id="problem">{words.get(problem, "")}</p>' if problem else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if problem else ""
    return f"""<!doctype html>
<html lang="{escape(language)}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{words["title"]}</title><style nonce="{nonce}">{STYLE}</style></head>
<body><main><h1>渝诊 Yuzhen</h1><p>{words["lead"]}</p>{alert}
<form method="post" action="/authorize">{fields}
<label for="login">{words["login"]}</label>
<input id="login" name="login" value="{escape(login)}" autocomplete="username" required autofocus{described}>
<label for="password">{words["password"]}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{described}>
<button type="submit">{words["submit"]}</button></form></main></body></html>"""
