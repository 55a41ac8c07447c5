"""Chinese names with their pinyin, as FHIR HumanName: https://hl7.org/fhir/R4/datatypes.html#HumanName.

`text` is what counts. Family and given name are stated only where they are known, never cut out by length.
"""

from dataclasses import dataclass

from yuzhen.demo_city.chance import pick
from yuzhen.demo_city.codes import Element


@dataclass(frozen=True, slots=True)
class Name:
    """How a person is called. `family` and `given` are empty for names that are not made of the two."""

    text: str
    family: str = ""
    given: str = ""
    pinyin: str = ""


def drawn_name(gender: str, *key: object) -> Name:
    """A common Han name for a `male` or `female` person, decided by the key."""
    family, family_pinyin = pick(SURNAMES, "family", *key)
    given, given_pinyin = pick(GIVEN[gender], "given", *key)
    return Name(family + given, family, given, f"{family_pinyin} {given_pinyin}")


def human_names(name: Name) -> list[Element]:
    """The name in characters and, where known, its pinyin as a second name, each marked for what it is."""
    characters: Element = {"extension": [_written("IDE")], "use": "official", "text": name.text}
    if name.family:
        characters |= {"family": name.family, "given": [name.given]}
    if not name.pinyin:
        return [characters]
    family, _, given = name.pinyin.partition(" ")
    alias = {"extension": [_written("ABC")], "use": "usual", "text": name.pinyin, "family": family, "given": [given]}
    return [characters, alias]


def _written(script: str) -> Element:
    return {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": script}


def _table(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (entry.split("=") for entry in text.split())
    return tuple((character, pinyin) for character, pinyin in pairs)


SURNAMES = _table(
    "王=Wang 李=Li 张=Zhang 刘=Liu 陈=Chen 杨=Yang 黄=Huang 赵=Zhao 周=Zhou 吴=Wu 徐=Xu 孙=Sun 胡=Hu 朱=Zhu "
    "高=Gao 林=Lin 何=He 郭=Guo 马=Ma 罗=Luo 梁=Liang 宋=Song 郑=Zheng 谢=Xie 韩=Han 唐=Tang 冯=Feng 于=Yu "
    "董=Dong 萧=Xiao 程=Cheng 曹=Cao 袁=Yuan 邓=Deng 许=Xu 傅=Fu 沈=Shen 曾=Zeng 彭=Peng 吕=Lü 苏=Su 卢=Lu "
    "蒋=Jiang 蔡=Cai 贾=Jia 丁=Ding 魏=Wei 薛=Xue 叶=Ye 余=Yu 潘=Pan 杜=Du 戴=Dai 夏=Xia 钟=Zhong 汪=Wang "
    "田=Tian 任=Ren 姜=Jiang 范=Fan 冉=Ran 向=Xiang 欧阳=Ouyang 司马=Sima"
)
GIVEN = {
    "male": _table(
        "建军=Jianjun 志强=Zhiqiang 俊杰=Junjie 文博=Wenbo 浩然=Haoran 子轩=Zixuan 国平=Guoping 永华=Yonghua "
        "明辉=Minghui 海涛=Haitao 晓东=Xiaodong 家豪=Jiahao 鹏飞=Pengfei 立新=Lixin 宏伟=Hongwei 渝生=Yusheng "
        "天佑=Tianyou 德胜=Desheng 光荣=Guangrong 嘉陵=Jialing 振宇=Zhenyu 思远=Siyuan 少华=Shaohua 庆丰=Qingfeng "
        "世杰=Shijie 一鸣=Yiming 泽宇=Zeyu 兴国=Xingguo 伟=Wei 磊=Lei 勇=Yong 涛=Tao 斌=Bin 凯=Kai 鑫=Xin 波=Bo"
    ),
    "female": _table(
        "秀英=Xiuying 桂兰=Guilan 雪梅=Xuemei 丽娟=Lijuan 晓燕=Xiaoyan 雨欣=Yuxin 诗涵=Shihan 淑珍=Shuzhen "
        "玉兰=Yulan 春梅=Chunmei 小红=Xiaohong 佳怡=Jiayi 梦瑶=Mengyao 思琪=Siqi 慧敏=Huimin 素芳=Sufang "
        "月华=Yuehua 静怡=Jingyi 若曦=Ruoxi 婉清=Wanqing 琳琳=Linlin 文静=Wenjing 蓉蓉=Rongrong 晨曦=Chenxi "
        "美玲=Meiling 国英=Guoying 欣然=Xinran 艺涵=Yihan 芳=Fang 敏=Min 静=Jing 燕=Yan 娜=Na 颖=Ying 倩=Qian 霞=Xia"
    ),
}
